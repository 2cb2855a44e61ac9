"""The recipe for conda-forge says what pyproject.toml says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from env.errors import SpecError
from env.spec import ROOT, Tree
from release.conda_recipe import conda_spec, differences, read_recipe, require_same
from release.errors import CondaRecipeError

PYPROJECT = Tree().toml("pyproject.toml")


@pytest.fixture
def recipe() -> dict[str, Any]:
    return read_recipe(ROOT)


def test_this_recipe_is_that_of_this_project(recipe: dict[str, Any]) -> None:
    assert list(differences(recipe, PYPROJECT)) == []
    assert recipe["schema_version"] == 1
    # It builds what lies beside it.
    assert (ROOT / "recipe" / recipe["source"]["path"]).resolve() == ROOT
    assert (ROOT / recipe["about"]["license_file"]).is_file()
    assert set(recipe) == {
        *("schema_version", "context", "package", "source", "build", "requirements", "tests", "about", "extra")
    }


@pytest.mark.parametrize(
    ("requirement", "spec"),
    [
        ("anyio>=4.12", "anyio >=4.12"),
        ("jupyter-server<3,>=2.19", "jupyter_server >=2.19,<3"),
        ("Jupyter_Core >= 5.7", "jupyter_core >=5.7"),
        ("pillow", "pillow"),
        ("pydantic[email]>=2", "pydantic >=2"),
    ],
)
def test_a_requirement_is_written_as_conda_forge_does(requirement: str, spec: str) -> None:
    assert conda_spec(requirement) == spec


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda project: project["dependencies"].append("numpy>=2"), "requirements.run lacks 'numpy >=2'"),
        (lambda project: project["dependencies"].pop(0), "requirements.run has 'anyio >=4.12'"),
        (lambda project: project.update(version="9.8.7"), "context.version is"),
        (lambda project: project.update({"requires-python": ">=3.12"}), "context.python_min is '3.11' and not '3.12'"),
        (lambda project: project.update(license="MIT"), "about.license is 'BSD-3-Clause' and not 'MIT'"),
        (lambda project: project.update(name="other"), "context.name is"),
        (lambda project: project["scripts"].update(more="a:b"), "build.python.entry_points lacks 'more = a:b'"),
        (lambda project: project.update(description="Else"), "about.summary is"),
    ],
)
def test_what_changes_in_pyproject_is_missed_in_the_recipe(recipe: dict[str, Any], change: Any, told: str) -> None:
    changed = copy.deepcopy(PYPROJECT)
    change(changed["project"])
    assert any(told in line for line in differences(recipe, changed))


@pytest.mark.parametrize(
    "content", [None, "", "[]", "a: [", "requirements: {run: 3}", "context: none", "build: {python: []}"]
)
def test_a_recipe_that_says_nothing_is_told_in_a_line(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    if content is not None:
        (tmp_path / "recipe" / "recipe.yaml").write_text(content)
    with pytest.raises((SpecError, CondaRecipeError)) as told:
        require_same(tmp_path)
    assert "recipe.yaml" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
