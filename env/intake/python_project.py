"""pyproject.toml's [project]: what a Python project of somebody's asks for (PyPA's pyproject.toml specification)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from env.errors import NotTakenError, SpecError
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
    groups: frozenset[str]
    """The names of its dependency groups, normalised (PEP 735)."""
    dynamic: bool
    """Whether the build says what it depends on, and not this file."""
    requires_python: str
    """Which Pythons it is for; "" where it does not say."""
    builds: bool
    """Whether it has a [build-system]: without one it is no package, only a folder with code (uv's word: virtual)."""

    def require(self, extras: Iterable[str], groups: Iterable[str]) -> None:
        """Refuse extras and groups that it has not.

        Raises:
            SpecError: it has no such extra, or no such group; the message lists those that there are.

        """
        kinds = (("extra", extras, self.optional), ("dependency group", groups, self.groups))
        for kind, names, known in kinds:
            for name in names:
                if canonicalize_name(name) not in known:
                    raise SpecError(self.path, f"has no {kind} {name!r}: it has {', '.join(sorted(known)) or 'none'}")

    def requires(self, extras: Iterable[str] = ()) -> Iterator[Requirement]:
        """Yield what it requires, with these extras of its own.

        Raises:
            SpecError: it has no such extra.

        """
        names = list(extras)
        self.require(names, ())
        yield from self.dependencies
        for name in names:
            yield from self.optional[canonicalize_name(name)]


def python_project(tree: Tree) -> PythonProject | None:
    """Read the project of a folder; None where its pyproject.toml has no [project], or there is none.

    Raises:
        SpecError: it is not TOML, or not as its specification says.

    """
    return tree.once("python-project", lambda: _read(tree.root / PYPROJECT))


def project_folder(path: Path, name: str, place: str, base: Path) -> Path:
    """Return the folder of a project that a lock names by its place, which is relative to `base`.

    Raises:
        NotTakenError: there is no project in it that a wheel can be built of.

    """
    folder = (base / place).resolve()
    if not any((folder / one).is_file() for one in (PYPROJECT, "setup.py")):
        has = "is not there" if not folder.is_dir() else f"has no {PYPROJECT}"
        raise NotTakenError(
            path,
            f"{name} is the project in the folder {place}, which {has}: bring that folder, or take a release of it",
        )
    return folder


def own_last(folders: Iterable[Path], root: Path) -> tuple[Path, ...]:
    """Return folders, each once and sorted; the project's own, which changes most often, comes last."""
    return tuple(sorted(set(folders), key=lambda folder: (folder == root.resolve(), str(folder))))


def names_of(folders: Iterable[Path], tree: Tree) -> frozenset[str]:
    """Return the normalised names of the projects in folders, where their pyproject.toml says one."""
    found = (python_project(tree.beside(folder)) for folder in folders)
    return frozenset(project.name for project in found if project is not None)


def asked_by(folders: Iterable[Path], tree: Tree) -> Iterator[Requirement]:
    """Yield what the projects of folders require."""
    for folder in folders:
        if (project := python_project(tree.beside(folder))) is not None:
            yield from project.requires()


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
        groups=frozenset(map(canonicalize_name, _groups(data, path))),
        dynamic="dependencies" in array(project.get("dynamic"), path, "project.dynamic"),
        requires_python=str(project.get("requires-python") or ""),
        builds="build-system" in data,
    )


def _groups(data: Mapping[str, Any], path: Path) -> set[str]:
    """Return the names of the dependency groups; ``dev`` is also where uv had them before PEP 735."""
    named = set(table(data.get("dependency-groups"), path, "dependency-groups"))
    tool = data.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return named | ({"dev"} if isinstance(uv, dict) and "dev-dependencies" in uv else set())


def _requirements(lines: Any, path: Path, key: str) -> Iterator[Requirement]:
    for line in array(lines, path, key):
        if not isinstance(line, str):
            raise SpecError(line_of(path, key.rpartition(".")[2]), f"{key} holds what is no text: {line!r}")
        try:
            yield Requirement(line)
        except InvalidRequirement as error:
            raise SpecError(line_of(path, line), f"{key}: {line!r} is no requirement ({error})") from None
