"""The page on working offline, to the letter: what it has carried to a machine without a network builds there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, blocks
from tests.support.needs import needs, no_namespaces

PAGE = ROOT / "docs" / "how-to" / "work-offline.md"
STICK = "/media/stick"
# Who may say where packages, archives and stores are, and what must not be in reach on the other machine.
OTHERS = ("UV_", "PIP_", "XDG_", "JUPYTER_", "VIRTUAL_ENV", "DEBIAN_")


@needs("git", "unshare")
@pytest.mark.long
@pytest.mark.network
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the page has one clone the checkout")
def test_what_was_carried_to_a_machine_without_a_network_builds_there(tmp_path: Path) -> None:
    cut = ("unshare", "--map-root-user", "--net")
    tried = subprocess.run([*cut, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        no_namespaces(tried.stderr)
    here, there = (
        block.text.replace(STICK, str(tmp_path)) for block in blocks(PAGE) if block.run_by and STICK in block.text
    )
    # Both machines have the Python of this run.
    python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    fetched = f"./noxw -s fetch -- --env wheels --platform linux/amd64\n{here}"
    subprocess.run(["sh", "-eu", "-c", fetched], cwd=ROOT, env=os.environ | python, check=True)
    known = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    home = tmp_path / "home"
    home.mkdir()
    alone = known | python | {"HOME": str(home)}
    words = [*cut, "sh", "-eu", "-c", there]
    built = subprocess.run(words, env=alone, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "checkout" / "dist" / "images" / "jupyter" / "index.json").is_file()
