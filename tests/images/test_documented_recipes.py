"""The recipes of the how-to, from the page's own text: what they make is built, and does what it starts with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from env.store.store import Store
from tests.support.documents import ROOT, write_files

from .conftest import images

HOW_TO = ROOT / "docs" / "how-to" / "build-your-own-image.md"


@pytest.mark.network
@pytest.mark.slow
def test_an_image_of_requirements_holds_what_it_starts(store: Store, tmp_path: Path) -> None:
    write_files(HOW_TO, tmp_path / "own", "own/")
    lock = [sys.executable, "-m", "env", "lock", "--recipe", str(tmp_path / "own"), "--platform", "linux/amd64"]
    locked = subprocess.run(lock, cwd=ROOT, capture_output=True, text=True, check=False)
    assert locked.returncode == 0, locked.stderr
    common = ("--platform", "linux/amd64", "--store", store.root)
    built = images("build", "--recipe", tmp_path / "own", *common, "--output", tmp_path / "out")
    assert built.returncode == 0, built.stderr
    checked = images("check", tmp_path / "out", *common)
    assert checked.returncode == 0, checked.stderr
    assert "what-it-starts-is-there" in checked.stderr


@pytest.mark.slow
def test_the_first_recipe_keeps_its_promises(tmp_path: Path) -> None:
    write_files(HOW_TO, tmp_path / "lab", "lab/")
    built = images("build", "--recipe", tmp_path / "lab", "--platform", "linux/amd64", "--output", tmp_path / "out")
    assert built.returncode == 0, built.stderr
    checked = images("check", tmp_path / "out")
    assert checked.returncode == 0, checked.stderr
    assert "lab-has-its-name" in checked.stderr
