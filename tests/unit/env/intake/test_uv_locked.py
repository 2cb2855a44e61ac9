"""uv.lock: uv itself exports it, offline; stale is what does not have what pyproject.toml asks for today."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import LockFormatError, NotTakenError, SpecError, StaleLockError
from env.intake.found import take
from env.intake.intake import Intake
from env.platforms import AMD64
from env.spec import Tree

PROJECT = """[project]
name = "mine"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["tabulate==0.9.0"]
[project.optional-dependencies]
more = ["never"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
LOCK = """version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [
    { name = "tabulate" },
]

[package.metadata]
requires-dist = [
    { name = "never", marker = "extra == 'more'" },
    { name = "tabulate", specifier = "==0.9.0" },
]
provides-extras = ["more"]

[[package]]
name = "tabulate"
version = "0.9.0"
source = { registry = "https://index.invalid/simple" }
wheels = [
    { url = "https://files.index.invalid/tabulate-0.9.0-py3-none-any.whl", hash = "sha256:SHA", size = 35252 },
]
""".replace("SHA", "a" * 64)


def taken(folder: Path, project: str = PROJECT, lock: str = LOCK) -> Intake:
    (folder / "pyproject.toml").write_text(project)
    (folder / "uv.lock").write_text(lock)
    found = take(Tree().beside(folder))
    assert found is not None
    return found


def test_the_project_and_what_it_requires_are_taken(tmp_path: Path) -> None:
    found = taken(tmp_path)
    (tabulate,) = found.locks(AMD64)["environment"].files
    assert (tabulate.name, tabulate.version, tabulate.sha256, tabulate.size) == ("tabulate", "0.9.0", "a" * 64, 35252)
    assert tabulate.url == "https://files.index.invalid/tabulate-0.9.0-py3-none-any.whl"
    assert found.builds_project(AMD64)


def test_a_project_that_is_no_package_is_not_built(tmp_path: Path) -> None:
    project = PROJECT.partition("[build-system]")[0]
    assert not taken(tmp_path, project, LOCK.replace("editable", "virtual")).builds_project(AMD64)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tabulate==0.9.0", "tabulate==0.8.0", "asks for `tabulate==0.8.0`"),
        ('"tabulate==0.9.0"', '"tabulate==0.9.0", "flask"', "asks for `flask`"),
        ('"tabulate==0.9.0"', "", "no longer asks for `tabulate==0.9.0`"),
        ('name = "mine"', 'name = "other"', "it does not have other"),
    ],
)
def test_a_stale_lock_says_what_has_changed(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(StaleLockError, match=rf"uv\.lock is stale: .*{told}.*run `uv lock --project {tmp_path}`"):
        taken(tmp_path, PROJECT.replace(old, new)).locks(AMD64)


def test_what_comes_from_git_or_another_folder_is_refused_by_name(tmp_path: Path) -> None:
    git = LOCK.replace(
        'registry = "https://index.invalid/simple"', 'git = "https://x.invalid/t.git?rev=1#' + "c" * 40 + '"'
    )
    with pytest.raises(NotTakenError, match="tabulate comes from a repository"):
        taken(tmp_path, lock=git.partition("wheels = [")[0]).locks(AMD64)
    (tmp_path / "libs" / "tabulate").mkdir(parents=True)
    folder = LOCK.replace('registry = "https://index.invalid/simple"', 'directory = "libs/tabulate"')
    with pytest.raises(NotTakenError, match=r"tabulate is the project in the folder .*libs/tabulate"):
        taken(tmp_path, lock=folder.partition("wheels = [")[0]).locks(AMD64)


@pytest.mark.parametrize("lock", ["", "version = 1\n", "version = 99\n", "["])
def test_what_is_no_uv_lock_ends_with_a_line(tmp_path: Path, lock: str) -> None:
    with pytest.raises((LockFormatError, StaleLockError, SpecError), match=r"uv\.lock"):
        taken(tmp_path, lock=lock).locks(AMD64)
