"""The folder that a project is built from: its own, or its whole repository where git says the version."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.rootfs.own_wheel import versioned_by


@pytest.mark.parametrize(
    ("project", "whole"), [('dynamic = ["version"]', True), ('version = "1"', False), ('dynamic = "version"', False)]
)
def test_the_repository_goes_along_where_the_version_is_not_written_down(
    tmp_path: Path, project: str, *, whole: bool
) -> None:
    folder = tmp_path / "packages" / "one"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "one"\n{project}\n')
    assert versioned_by(folder) == folder
    (tmp_path / ".git").mkdir()
    assert versioned_by(folder) == (tmp_path if whole else folder)
