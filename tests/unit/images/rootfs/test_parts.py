"""What a part brings besides packages."""

from __future__ import annotations

from pathlib import Path

from images.recipe.recipe import NamedPart, Part, load_recipe
from images.rootfs.parts import own_entries


def test_bytecode_that_running_a_parts_modules_left_stays_out(tmp_path: Path) -> None:
    for name in ("lib/mine/__init__.py", "lib/mine/__pycache__/__init__.cpython-311.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = own_entries(NamedPart("mine", Part(title="Mine"), tmp_path), load_recipe("jupyter").user)
    assert [entry.path for entry in found] == ["lib/mine/__init__.py"]
