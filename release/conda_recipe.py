"""The recipe for conda-forge, recipe/recipe.yaml, held against pyproject.toml: one says what the other does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from env.errors import SpecError
from env.spec import PYPROJECT, Tree
from release.errors import CondaRecipeError
from release.versions import CONDA_RECIPE

NAMES = MappingProxyType(
    {
        "jupyter-client": "jupyter_client",
        "jupyter-core": "jupyter_core",
        "jupyter-server": "jupyter_server",
        "jupyter-ydoc": "jupyter_ydoc",
    }
)
"""What conda-forge calls a distribution that it calls otherwise than PyPI does."""
PYTHON_MIN = "${{ python_min }}"


def require_same(root: Path) -> None:
    """Require that the recipe says what pyproject.toml does.

    Raises:
        CondaRecipeError: it does not.
        SpecError: one of them can't be read.

    """
    if found := list(differences(read_recipe(root), Tree(root).toml(PYPROJECT))):
        raise CondaRecipeError(found)


def read_recipe(root: Path) -> dict[str, Any]:
    """Read the recipe.

    Raises:
        SpecError: it is not there, or no YAML of a table.

    """
    path = root / CONDA_RECIPE
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(path, str(error)) from None
    if not isinstance(read, dict):
        raise SpecError(path, "is no recipe: it has no tables")
    return read


def differences(recipe: Mapping[str, Any], pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the recipe should say and doesn't, in a few words each."""
    for where, wanted in expected(pyproject).items():
        there = _at(recipe, where)
        if isinstance(wanted, list):
            has = {str(one) for one in there} if isinstance(there, list) else set()
            yield from (f"{where} lacks {one!r}" for one in wanted if one not in has)
            yield from (f"{where} has {one!r}" for one in sorted(has - set(wanted)))
        elif there != wanted:
            yield f"{where} is {there!r} and not {wanted!r}"


def expected(pyproject: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return what the recipe has to say, by where it says it."""
    project = pyproject["project"]
    return {
        "context.name": project["name"],
        "context.version": project["version"],
        "context.python_min": _lowest(project["requires-python"]),
        "about.summary": project["description"],
        "about.license": project["license"],
        "about.license_file": project["license-files"][0],
        "build.noarch": "python",
        "build.python.entry_points": [f"{name} = {target}" for name, target in project["scripts"].items()],
        "requirements.host": [
            f"python {PYTHON_MIN}.*",
            "pip",
            *map(conda_spec, pyproject["build-system"]["requires"]),
        ],
        "requirements.run": [f"python >={PYTHON_MIN}", *map(conda_spec, project["dependencies"])],
    }


def conda_spec(requirement: str) -> str:
    """Return a requirement of a Python package as one of conda-forge's: ``anyio>=4`` is ``anyio >=4``."""
    read = Requirement(requirement)
    name = canonicalize_name(read.name)
    bounds = ",".join(str(one) for one in sorted(read.specifier, key=lambda one: (one.operator != ">=", str(one))))
    return f"{NAMES.get(name, name)} {bounds}".strip()


def _lowest(requires: str) -> str:
    return next(one.version for one in SpecifierSet(requires) if one.operator == ">=")


def _at(recipe: Mapping[str, Any], where: str) -> object:
    there: object = recipe
    for word in where.split("."):
        there = there.get(word) if isinstance(there, Mapping) else None
    return there
