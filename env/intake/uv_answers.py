"""Whether a uv.lock answers the pyproject.toml beside it: the lock records what each project of it required."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, canonicalize_version

from env.errors import StaleLockError
from env.intake.commands import uv_lock
from env.intake.python_project import PYPROJECT, PythonProject
from env.intake.reading import array, table, toml_of

FOLDERS = {"editable", "virtual", "directory"}
_ELSEWHERE = {*FOLDERS, "path", "url", "git"}
_FIXED = {"git": "git", "url": "url", "path": "path", "workspace": "editable"}
"""Which keys of [tool.uv.sources] say that a package comes from elsewhere than the usual index."""
_TABLES = {"override-dependencies": "overrides", "constraint-dependencies": "constraints"}
"""What [tool.uv] says about all packages, and what a lock's [manifest] calls it."""


@dataclass(frozen=True)
class _Wish:
    """What is required of a package."""

    name: str
    extras: frozenset[str]
    version: str | None
    """Canonical; None where the version is left to where it comes from."""

    def __str__(self) -> str:
        return f"{self.name}{self.version or ''}"


def require_answers(path: Path, project: PythonProject, groups: Iterable[str] = ()) -> None:
    """Refuse a uv.lock whose record of a project is not what its pyproject.toml says today.

    `groups` are the dependency groups that are wanted of it.

    Raises:
        StaleLockError: it requires something else, or from elsewhere.
        SpecError: pyproject.toml is not as its specification says.

    """
    data, root = toml_of(path), path.parent / PYPROJECT
    if root.is_file():
        manifest = table(data.get("manifest"), path, "manifest")
        for key, recorded in _TABLES.items():
            _compare(path, root, _listed(_uv(root).get(key), root, key), _entries(manifest.get(recorded)), key)
    metadata = table(_package(path, project, data).get("metadata"), path, "package.metadata")
    entries = [] if project.dynamic else array(metadata.get("requires-dist"), path, "requires-dist")
    if not project.dynamic:
        own = [one for one in entries if "extra ==" not in str(_dict(one).get("marker", ""))]
        _compare(path, project.path, map(_wish, project.dependencies), _entries(own))
    development = table(metadata.get("requires-dev"), path, "package.metadata.requires-dev")
    for group in groups:
        listed = array(development.get(canonicalize_name(group)), path, f"requires-dev.{group}")
        _compare(path, project.path, map(_wish, group_lines(project.path, group)), _entries(listed), group)
        entries = [*entries, *listed]
    _require_sources(path, project, entries, root)


def group_lines(path: Path, group: str, within: tuple[str, ...] = ()) -> Iterator[Requirement]:
    """Yield what a dependency group of a pyproject.toml asks for, with the groups that it includes (PEP 735)."""
    defined = table(toml_of(path).get("dependency-groups"), path, "dependency-groups")
    named = {canonicalize_name(name): lines for name, lines in defined.items()}
    key = canonicalize_name(group)
    lines = list(array(named.get(key), path, f"dependency-groups.{group}"))
    if key == "dev":
        # Where uv had them before PEP 735.
        lines += array(_uv(path).get("dev-dependencies"), path, "tool.uv.dev-dependencies")
    for line in lines:
        if isinstance(line, dict) and isinstance(other := line.get("include-group"), str) and other not in within:
            yield from group_lines(path, other, (*within, other))
        elif isinstance(line, str):
            yield from _parsed([line])


def _uv(path: Path) -> Mapping[str, Any]:
    tool = table(toml_of(path).get("tool"), path, "tool")
    return table(tool.get("uv"), path, "tool.uv")


def _compare(path: Path, source: Path, asked: Iterable[_Wish], locked: Iterable[_Wish], key: str = "") -> None:
    """Refuse a record of others than what is asked for."""
    recorded = {*locked}
    elsewhere = {one.name for one in recorded if one.version is None}
    wanted = {_Wish(one.name, one.extras, None if one.name in elsewhere else one.version) for one in asked}
    recorded = {_Wish(one.name, one.extras, None if one.name in elsewhere else one.version) for one in recorded}
    where = f" in {key}" if key else ""
    for what, reason in ((wanted - recorded, "asks for"), (recorded - wanted, "no longer asks for")):
        for one in sorted(what, key=str):
            raise StaleLockError(path, command=uv_lock(path.parent), reason=f"{source} {reason} `{one}`{where}")


def _package(path: Path, project: PythonProject, data: Mapping[str, Any]) -> Mapping[str, Any]:
    for package in array(data.get("package"), path, "package"):
        if isinstance(package, dict) and _is_project(package, project, path):
            return package
    raise StaleLockError(path, command=uv_lock(path.parent), reason=f"it does not have {project.name}")


def _is_project(package: Mapping[str, Any], project: PythonProject, path: Path) -> bool:
    source = package.get("source")
    places = set(source.values()) if isinstance(source, dict) and set(source) <= FOLDERS else set()
    named = canonicalize_name(str(package.get("name"))) == project.name
    return named and project.path.parent.resolve() in {(path.parent / str(place)).resolve() for place in places}


def _require_sources(path: Path, project: PythonProject, entries: Iterable[Any], root: Path) -> None:
    """Refuse a lock whose packages are from elsewhere than [tool.uv.sources] says today."""
    recorded: dict[str, Mapping[str, Any]] = {canonicalize_name(str(_dict(one).get("name"))): one for one in entries}
    sources: dict[str, Any] = {}
    # A workspace's root says it for its members, which may say it themselves.
    for file in dict.fromkeys([root, project.path]):
        if file.is_file():
            found = table(_uv(file).get("sources"), file, "tool.uv.sources")
            sources |= {canonicalize_name(name): source for name, source in found.items()}
    for name, entry in recorded.items():
        source = sources.get(name)
        # One with a marker is for some machines alone, and an array has several.
        if not isinstance(source, dict) or {"marker", "extra", "group"} & set(source):
            continue
        kinds = [kind for kind in (*_FIXED, "index") if source.get(kind)]
        for kind in kinds:
            here = "index" in entry if kind == "index" else bool(_ELSEWHERE & set(entry))
            same = kind != "url" or entry.get("url") in (source["url"], None)
            if not here or not same:
                reason = f"{project.path} takes `{name}` from {kind} {source[kind]}, and the lock does not"
                raise StaleLockError(path, command=uv_lock(path.parent), reason=reason)


def _dict(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, dict) else {}


def _listed(lines: Any, path: Path, key: str) -> Iterator[_Wish]:
    return map(_wish, _parsed(str(line) for line in array(lines, path, key)))


def _parsed(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue


def _entries(entries: Any) -> Iterator[_Wish]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            for requirement in _parsed([f"{entry.get('name')}{entry.get('specifier', '')}"]):
                wish = _wish(requirement)
                extras = frozenset(canonicalize_name(str(extra)) for extra in entry.get("extras", ()))
                # Of what comes from elsewhere than an index, uv writes where from and not the version.
                yield _Wish(wish.name, extras, None if set(entry) & _ELSEWHERE else wish.version)


def _wish(requirement: Requirement) -> _Wish:
    extras = frozenset(map(canonicalize_name, requirement.extras))
    return _Wish(canonicalize_name(requirement.name), extras, _canonical(requirement.specifier))


def _canonical(specifier: SpecifierSet) -> str:
    return ",".join(
        sorted(f"{one.operator}{canonicalize_version(one.version, strip_trailing_zero=False)}" for one in specifier)
    )
