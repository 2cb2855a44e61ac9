"""Imports run one way, and lint holds it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from env.spec import ROOT

PACKAGES = ("door", "env", "images", "jupyter_mcp", "release")
WRONG = {
    "up in a package": ("jupyter_mcp/rooms/live.py", "from jupyter_mcp.tools import replies"),
    "beside": ("images/registry/client.py", "from images.build import layers"),
    "from one package into another": ("env/store/store.py", "from images import cache"),
    "in a function": ("env/formats/lock.py", "def late() -> None:\n    import env.store.fetch"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the packages to spoil."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "locks", "parts"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("where", "line"), WRONG.values(), ids=list(WRONG))
def test_an_import_that_runs_up_fails_lint(copy: Path, where: str, line: str) -> None:
    with (copy / where).open("a") as module:
        module.write(f"\n{line}\n")
    found = lint(copy)
    assert found.returncode == 1, found.stdout
    assert where.removesuffix(".py").replace("/", ".") in found.stdout


def test_a_module_that_has_no_place_fails_lint(copy: Path) -> None:
    (copy / "jupyter_mcp" / "utilities.py").touch()
    found = lint(copy)
    assert found.returncode == 1, found.stdout
    assert "utilities" in found.stdout
