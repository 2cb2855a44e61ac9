"""pyproject.toml's [project]: what a Python project of somebody's asks for (PyPA's pyproject.toml specification)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from env.errors import SpecError
from env.intake.reading import array, line_of, table, toml_of
from env.spec import Tree

PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class PythonProject:
    """A project that a wheel can be built of."""

    path: Path
    """Its pyproject.toml."""
    name: str
    """Normalised (PEP 503)."""
    dependencies: tuple[Requirement, ...]
    optional: Mapping[str, tuple[Requirement, ...]]
    dynamic: bool
    """Whether the build says what it depends on, and not this file."""
    builds: bool
    """Whether it has a [build-system]: without one it is no package, only a folder with code (uv's word: virtual)."""

    def requires(self, extras: Iterable[str] = ()) -> Iterator[Requirement]:
        """Yield what it requires, with these extras of its own.

        Raises:
            SpecError: it has no such extra.

        """
        yield from self.dependencies
        for extra in extras:
            name = canonicalize_name(extra)
            if name not in self.optional:
                raise SpecError(self.path, f"has no extra {extra!r} in [project.optional-dependencies]")
            yield from self.optional[name]


def python_project(tree: Tree) -> PythonProject | None:
    """Read the project of a folder; None where its pyproject.toml has no [project], or there is none.

    Raises:
        SpecError: it is not TOML, or not as its specification says.

    """
    return tree.once("python-project", lambda: _read(tree.root / PYPROJECT))


def _read(path: Path) -> PythonProject | None:
    if not path.is_file():
        return None
    data = toml_of(path)
    if "project" not in data:
        return None
    project = table(data["project"], path, "project")
    name = project.get("name")
    if not isinstance(name, str) or not name:
        raise SpecError(line_of(path, "[project]"), "project.name is missing")
    optional = table(project.get("optional-dependencies"), path, "project.optional-dependencies")
    return PythonProject(
        path=path,
        name=canonicalize_name(name),
        dependencies=tuple(_requirements(project.get("dependencies"), path, "project.dependencies")),
        optional={
            canonicalize_name(extra): tuple(_requirements(lines, path, f"project.optional-dependencies.{extra}"))
            for extra, lines in optional.items()
        },
        dynamic="dependencies" in array(project.get("dynamic"), path, "project.dynamic"),
        builds="build-system" in data,
    )


def _requirements(lines: Any, path: Path, key: str) -> Iterator[Requirement]:
    for line in array(lines, path, key):
        if not isinstance(line, str):
            raise SpecError(line_of(path, key.rpartition(".")[2]), f"{key} holds what is no text: {line!r}")
        try:
            yield Requirement(line)
        except InvalidRequirement as error:
            raise SpecError(line_of(path, line), f"{key}: {line!r} is no requirement ({error})") from None
