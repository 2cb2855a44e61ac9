"""What the key of a cached layer covers: whatever module decides its bytes, wherever that module is."""

from __future__ import annotations

from pathlib import Path

import pytest

from images import cache
from images.build import layers
from images.cache import program_digest, source_of, sources_of
from images.rootfs import bytecode


def test_a_layers_key_covers_what_the_layer_maker_imports_and_what_it_runs() -> None:
    found = {name.rpartition(".")[2] for name in sources_of(layers.__name__)}
    assert {"layers", "tarball", "entries", "debs", "wheels", "conda", "bytecode", "_install", "_compile"} <= found


def test_a_layers_key_covers_neither_texts_of_errors_nor_what_is_done_with_layers() -> None:
    found = sources_of(layers.__name__)
    assert "images.rootfs.debs" in found
    assert not {"images.errors", "images.build.build", "images.assemble"} & found
    assert not [name for name in found if name.startswith(("images.cli", "images.registry", "images.attest"))]


def test_the_script_that_compiles_is_a_module_of_this_program() -> None:
    assert bytecode.SCRIPT.is_file()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a program of its own, whose module `maker` imports a helper in every way there is, and runs a script."""
    files = {
        "__init__.py": "",
        "maker.py": "from images import plain\nfrom images.sub import inner\nCOMMAND = ['-m', 'images._script']\n",
        "plain.py": "import images.absolute\n",
        "absolute.py": "",
        "_script.py": "",
        "sub/__init__.py": "from .early import thing\n",
        "sub/early.py": "thing = 1\n",
        "sub/inner.py": "from . import sibling\nfrom .deep import thing\nfrom ..upper import THAT\n",
        "sub/sibling.py": "",
        "sub/deep.py": "thing = 1\n",
        "upper.py": "THAT = 1\n",
        "stranger.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    program_digest.cache_clear()
    return tmp_path / "images"


def test_every_way_to_name_a_module_is_followed(program: Path) -> None:
    every = {path.relative_to(program).with_suffix("").as_posix() for path in program.rglob("*.py")}
    named = {source_of(name).relative_to(program).with_suffix("").as_posix() for name in sources_of("images.maker")}
    assert named == every - {"stranger"}


@pytest.mark.parametrize("name", ["maker.py", "_script.py", "sub/deep.py", "upper.py"])
def test_a_change_of_what_makes_a_layer_changes_its_key(program: Path, name: str) -> None:
    before = program_digest("images.maker")
    (program / name).write_text((program / name).read_text() + "# changed\n")
    program_digest.cache_clear()
    assert program_digest("images.maker") != before


def test_a_change_of_another_module_keeps_the_key(program: Path) -> None:
    before = program_digest("images.maker")
    (program / "stranger.py").write_text("import os\n")
    program_digest.cache_clear()
    assert program_digest("images.maker") == before
