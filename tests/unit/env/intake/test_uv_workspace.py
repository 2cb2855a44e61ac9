"""uv workspaces: one lock for several projects, whose members and other folders go in as wheels that are built."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import NotTakenError, StaleLockError, UnlockedError
from env.intake.found import take
from env.intake.intake import Intake
from env.platforms import AMD64
from env.spec import Tree

WORKSPACE = '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old"]\n'
LOCK = """version = 1
revision = 3
requires-python = ">=3.12"

[manifest]
members = ["api", "core"]

[[package]]
name = "api"
version = "0.1"
source = { editable = "packages/api" }
dependencies = [{ name = "core" }, { name = "tabulate" }]
[package.metadata]
requires-dist = [{ name = "core", editable = "packages/core" }, { name = "tabulate", specifier = ">=0.9" }]

[[package]]
name = "core"
version = "0.1"
source = { editable = "packages/core" }
[package.metadata]
requires-dist = []

[[package]]
name = "tabulate"
version = "0.9.0"
source = { registry = "https://index.invalid/simple" }
wheels = [{ url = "https://files.index.invalid/tabulate-0.9.0-py3-none-any.whl", hash = "sha256:SHA" }]
""".replace("SHA", "a" * 64)


def project(name: str, *requires: str) -> str:
    quoted = ", ".join(f'"{one}"' for one in requires)
    head = f'[project]\nname = "{name}"\nversion = "0.1"\nrequires-python = ">=3.12"\ndependencies = [{quoted}]\n'
    return head + '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace whose root is no project; `api` asks for a version of its other member."""
    root = tmp_path / "workspace"
    for name, requires in (("api", ("core>=0.1", "tabulate>=0.9")), ("core", ()), ("old", ())):
        (root / "packages" / name).mkdir(parents=True)
        (root / "packages" / name / "pyproject.toml").write_text(project(name, *requires))
    sources = "[tool.uv.sources]\ncore = { workspace = true }\n"
    with (root / "packages" / "api" / "pyproject.toml").open("a") as file:
        file.write(sources)
    (root / "pyproject.toml").write_text(WORKSPACE)
    (root / "uv.lock").write_text(LOCK)
    return root


def taken(folder: Path) -> Intake:
    found = take(Tree().beside(folder))
    assert found is not None
    return found


def test_of_a_workspace_whose_root_is_no_project_all_members_go_in(workspace: Path) -> None:
    found = taken(workspace)
    assert [file.name for file in found.locks(AMD64)["environment"].files] == ["tabulate"]
    assert found.folders(AMD64) == (workspace / "packages/api", workspace / "packages/core")
    assert not found.builds_project(AMD64)


def test_a_member_is_taken_from_the_lock_of_its_workspace(workspace: Path) -> None:
    found = taken(workspace / "packages" / "api")
    assert found.path == workspace / "uv.lock"
    assert found.folders(AMD64) == (workspace / "packages/core", workspace / "packages/api")
    assert found.builds_project(AMD64)
    assert found.command == f"uv lock --project {workspace}"
    assert "tabulate>=0.9" in found.requires(AMD64)
    named = take(Tree().beside(workspace / "packages" / "core"), file="uv.lock")
    assert named is not None
    assert named.folders(AMD64) == (workspace / "packages/core",)


def test_what_is_no_member_is_not_in_the_workspaces_lock(workspace: Path) -> None:
    with pytest.raises(UnlockedError, match=r"old/pyproject\.toml: is no lock"):
        taken(workspace / "packages" / "old")


def test_a_member_that_has_changed_makes_the_lock_stale(workspace: Path) -> None:
    (workspace / "packages" / "core" / "pyproject.toml").write_text(project("core", "six"))
    for folder in (workspace, workspace / "packages" / "api"):
        with pytest.raises(StaleLockError, match=r"core/pyproject\.toml asks for `six`"):
            taken(folder).locks(AMD64)


def test_another_folder_of_ones_own_goes_in_and_one_that_is_gone_is_told(workspace: Path) -> None:
    core = workspace / "packages" / "core"
    (workspace / "packages" / "api" / "pyproject.toml").write_text(project("api", "core>=0.1", "tabulate>=0.9"))
    (core / "pyproject.toml").unlink()
    with pytest.raises(NotTakenError, match=r"core is the project in the folder .*core, which has no pyproject\.toml"):
        taken(workspace).folders(AMD64)
