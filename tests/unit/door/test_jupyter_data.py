"""The history of the rooms of `lab` is in Jupyter's data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_data_dir

from door.jupyter_data import jupyter_data, rooms_database


@pytest.mark.parametrize("given", [{}, {"XDG_DATA_HOME": "x"}, {"JUPYTER_DATA_DIR": "j", "XDG_DATA_HOME": "x"}])
def test_the_data_folder_is_the_one_that_jupyter_finds(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_DATA_DIR", "XDG_DATA_HOME", "JUPYTER_PLATFORM_DIRS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in given.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert jupyter_data() == Path(jupyter_data_dir())
    file = rooms_database()
    assert file.parent.is_dir()
    assert file.is_relative_to(jupyter_data())
