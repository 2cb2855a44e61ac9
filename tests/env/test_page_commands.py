"""The blocks of commands on pages that need nothing but the checkout, run as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Block, blocks, pages
from tests.support.shown import difference

OWN = ROOT / ".noxw" / f"{sys.version_info.major}.{sys.version_info.minor}"
LAYOUT = Path("dist", "images", "jupyter")
BLOCKS = [
    block
    for page in pages()
    for block in blocks(page)
    if block.language == "sh" and not block.not_run and not block.run_by
]
LOCK = f"""lock-version = "1.0"
created-by = "a person"
requires-python = ">=3.11"

[[packages]]
name = "six"
version = "1.17.0"

[[packages.wheels]]
url = "https://files.example.org/six-1.17.0-py2.py3-none-any.whl"
size = 11050

[packages.wheels.hashes]
sha256 = "{"4" * 64}"
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (OWN / "noxw.txt").is_file() or not (ROOT / ".nox" / "shared").is_dir(),
        reason="was not started with ./noxw",
    ),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the environments and the image that this one has, and a project in path/to."""
    folder = tmp_path / "checkout"
    (folder / LAYOUT.parent).mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name not in {"dist", "artifacts", "workspace", ".git"}:
            (folder / path.name).symlink_to(path)
    if (ROOT / LAYOUT).is_dir():
        (folder / LAYOUT).symlink_to(ROOT / LAYOUT)
    (folder / "path" / "to" / "project").mkdir(parents=True)
    (folder / "path" / "to" / "project" / "pylock.toml").write_text(LOCK)
    return folder


def run(text: str, checkout: Path, **settings: str) -> str:
    """Run a block's text in a checkout; return what a terminal shows."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=checkout,
        env=os.environ | {"PYTHON": sys.executable} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_does_and_prints_what_its_page_says(block: Block, checkout: Path, tmp_path: Path) -> None:
    if ("-s images -- " in block.text or str(LAYOUT) in block.text) and not (ROOT / LAYOUT).is_dir():
        pytest.skip("the image jupyter was not built")
    told = run(block.text, checkout, JUPYTER_MCP_STORE=str(tmp_path / "store"))
    if block.output is not None:
        assert difference(block.output, told) == ""


def test_the_first_pages_build_prints_what_it_shows(checkout: Path) -> None:
    """From a store that may be full: what is printed while files are fetched is not shown."""
    (block,) = [one for one in blocks(ROOT / "README.md") if one.output is not None]
    (command,) = [line.partition("#")[0].strip() for line in block.text.splitlines() if "build-image" in line]
    (checkout / LAYOUT).unlink(missing_ok=True)
    # Pinned: without it, a build takes the packages of whichever channel answers.
    told = run(f"{command} -- --env wheels", checkout)
    assert difference(str(block.output), told) == ""
