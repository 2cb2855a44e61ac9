"""uv.lock: exported by uv itself into a pylock.toml, once it is seen to answer its pyproject.toml."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, canonicalize_version

from env.errors import LockFormatError, NotTakenError, StaleLockError, UnlockedError
from env.index.uv import executable
from env.intake.commands import uv_lock
from env.intake.intake import NOTHING_MORE, Chosen
from env.intake.pylock import Pylock, nothing_chosen, parse_pylock
from env.intake.python_project import PYPROJECT, PythonProject, python_project
from env.intake.reading import toml_of
from env.intake.uv_workspace import is_workspace
from env.spec import Tree

_Wish = tuple[str, frozenset[str], str | None]
"""Name, extras and version of what a project requires; None where the version is left to where it comes from."""
_FOLDERS = {"editable", "virtual", "directory"}
_SOURCES = {*_FOLDERS, "path", "url", "git"}
_PATIENCE_S = 120
"""Seconds for an export, which takes one."""


def exported(path: Path, tree: Tree, wanted: Chosen = NOTHING_MORE) -> Pylock:
    """Return a uv.lock as a pylock.toml: the project and what it requires, with the extras and groups that are wanted.

    Raises:
        SpecError: the project has no such extra or group.
        UnlockedError: there is no pyproject.toml beside it.
        StaleLockError: it does not answer the pyproject.toml beside it.
        LockFormatError: uv can't read it.

    """
    project = python_project(tree)
    if project is None and not is_workspace(tree.root):
        raise UnlockedError(path, f"there is no {PYPROJECT} with a [project] beside it, which uv needs to read it")
    if project is not None:
        _require_answers(path, project)
        project.require(wanted.extras, wanted.groups)
    # Nothing is resolved, so no index is asked: the network and the configured index decide nothing.
    command = [executable(), "export", "--frozen", "--offline", "--no-default-groups", "--no-header", "--quiet"]
    command += ["--no-python-downloads", "--format", "pylock.toml"]
    command += [word for extra in wanted.extras for word in ("--extra", extra)]
    command += [word for group in wanted.groups for word in ("--group", group)]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # Paths in what is printed are relative to where uv runs.
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=tree.root, timeout=_PATIENCE_S
    )
    if run.returncode:
        reason = " ".join(run.stderr.split())[:400]
        if "declared conflicts" in reason:
            raise NotTakenError(path, f"{reason.removeprefix('error: ')}: choose others with --extra and --group")
        raise LockFormatError(path, f"uv can't export it ({reason})", command=uv_lock(path.parent))
    content = run.stdout
    found = parse_pylock(path, content, uv_lock(path.parent))
    if project is not None and not found.data.get("packages") and not wanted and (project.optional or project.groups):
        raise nothing_chosen(path, project.optional, project.groups)
    made = Pylock(path, found.data, found.command, tree.root)
    for folder in made.all_folders():
        other = python_project(tree.beside(folder))
        if other is not None and folder != tree.root.resolve():
            _require_answers(path, other)
    return made


def _require_answers(path: Path, project: PythonProject) -> None:
    """Refuse a uv.lock whose record of what the project requires is not what pyproject.toml says today."""
    if project.dynamic:
        return
    locked = _locked_requires(path, project)
    elsewhere = {name for name, _, version in locked if version is None}
    asked = {(name, extras, None if name in elsewhere else version) for name, extras, version in _keys(project)}
    locked = {(name, extras, None if name in elsewhere else version) for name, extras, version in locked}
    for what, reason in ((asked - locked, "asks for"), (locked - asked, "no longer asks for")):
        for name, _, version in sorted(what, key=str):
            raise StaleLockError(
                path, command=uv_lock(path.parent), reason=f"{project.path} {reason} `{name}{version or ''}`"
            )


def _keys(project: PythonProject) -> set[_Wish]:
    return {_key(one) for one in project.dependencies}


def _locked_requires(path: Path, project: PythonProject) -> set[_Wish]:
    data = toml_of(path)
    packages = data.get("package", [])
    for package in packages if isinstance(packages, list) else []:
        if isinstance(package, dict) and _is_project(package, project, path):
            metadata = package.get("metadata", {})
            return set(_entries(metadata.get("requires-dist", []) if isinstance(metadata, dict) else []))
    raise StaleLockError(path, command=uv_lock(path.parent), reason=f"it does not have {project.name}")


def _is_project(package: Mapping[str, Any], project: PythonProject, path: Path) -> bool:
    source = package.get("source")
    places = set(source.values()) if isinstance(source, dict) and set(source) <= _FOLDERS else set()
    named = canonicalize_name(str(package.get("name"))) == project.name
    return named and project.path.parent.resolve() in {(path.parent / str(place)).resolve() for place in places}


def _entries(entries: Any) -> Iterator[_Wish]:
    for entry in entries if isinstance(entries, list) else []:
        # An optional dependency is one of an extra, which its marker says.
        if isinstance(entry, dict) and "extra ==" not in str(entry.get("marker", "")):
            try:
                requirement = Requirement(f"{entry.get('name')}{entry.get('specifier', '')}")
            except InvalidRequirement:
                continue
            extras = frozenset(canonicalize_name(str(extra)) for extra in entry.get("extras", ()))
            # Of what comes from elsewhere than an index, uv writes where from and not the version.
            version = None if set(entry) & _SOURCES else _canonical(requirement.specifier)
            yield canonicalize_name(requirement.name), extras, version


def _key(requirement: Requirement) -> _Wish:
    extras = frozenset(map(canonicalize_name, requirement.extras))
    return canonicalize_name(requirement.name), extras, _canonical(requirement.specifier)


def _canonical(specifier: SpecifierSet) -> str:
    return ",".join(
        sorted(f"{one.operator}{canonicalize_version(one.version, strip_trailing_zero=False)}" for one in specifier)
    )
