"""The page on installing, from its own text: in a new environment, with the wheel of this checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "install.md"
OWN = ROOT / ".noxw" / f"{sys.version_info.major}.{sys.version_info.minor}"
NAME = "test_the_extension_is_installed_upgraded_and_uninstalled_as_the_page_says"


def plain(text: str) -> str:
    """Return what a terminal would show, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.long
@pytest.mark.network
@pytest.mark.skipif(
    not (OWN / "noxw.txt").is_file() or not (ROOT / ".nox" / "shared").is_dir(), reason="was not started with ./noxw"
)
def test_the_extension_is_installed_upgraded_and_uninstalled_as_the_page_says(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for path in ROOT.iterdir():
        if path.name not in {"dist", "artifacts", "workspace", ".git"}:
            (checkout / path.name).symlink_to(path)
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "PYTHON": sys.executable}
    settings = os.environ | places | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(text: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=checkout, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    install, listing, upgrade, uninstall = (
        block.text for block in blocks(PAGE) if block.run_by and block.run_by.endswith(NAME)
    )
    assert "jupyter_mcp enabled" in plain(run(install))
    assert run(listing)
    run(upgrade)
    run(uninstall)
    assert "jupyter_mcp" not in run("my-jupyter/bin/jupyter server extension list")
    assert not list((checkout / "my-jupyter").rglob("jupyter_mcp*"))
