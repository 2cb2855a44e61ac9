"""Locks and manifests of real shapes with a value changed: taken as they say, or told in a line; never something else.

Where a mutated project is taken, what goes in must be what its lock names: each file's name, version and hash. A small
number runs by default; INTAKE_MUTATIONS=5000 runs as many of each kind.
"""

from __future__ import annotations

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomli_w
import yaml  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from env.errors import EnvError
from env.formats.lock import Lock
from env.intake.added import added
from env.intake.found import take
from env.intake.intake import Chosen
from env.platforms import PLATFORMS
from env.spec import Tree

from .test_lock_garbage import ODD, PROJECTS
from .test_uv_locked import GROUPED, GROUPED_LOCK

MUTATIONS = int(os.environ.get("INTAKE_MUTATIONS", "15"))
KINDS = {**PROJECTS, "uv": {"pyproject.toml": GROUPED, "uv.lock": GROUPED_LOCK}}
TREE = Tree()
VALUES: list[Any] = [
    *ODD,
    None,
    True,
    -1,
    0,
    1.5,
    [],
    {},
    [""],
    {"path": "."},
    "a" * 64,
    ">=99",
    "*",
    "linux-64",
    "1.0",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to every value in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in [(*path, key), *places(one, (*path, key))]]


def changed(document: Any, data: st.DataObject) -> Any:
    """Return a document with a value replaced, taken away, doubled, or swapped with another one's."""
    made = copy.deepcopy(document)
    paths = places(made)
    if not paths:
        return made
    *above, key = data.draw(st.sampled_from(paths))
    holder = made
    for step in above:
        holder = holder[step]
    kind = data.draw(st.sampled_from(["replace", "replace", "remove", "double", "swap"]))
    if kind == "remove":
        del holder[key]
    elif kind == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == "swap":
        other = document
        for step in data.draw(st.sampled_from(paths)):
            other = other[step]
        holder[key] = copy.deepcopy(other)
    else:
        holder[key] = data.draw(st.sampled_from(VALUES))
    return made


def without_none(value: Any) -> Any:
    """Return a document without what TOML has no word for."""
    if isinstance(value, dict):
        return {str(key): without_none(one) for key, one in value.items() if one is not None}
    return [without_none(one) for one in value if one is not None] if isinstance(value, list) else value


def mutated(name: str, text: str, data: st.DataObject) -> str:
    if name.endswith(".toml") or name == "uv.lock":
        return tomli_w.dumps(without_none(changed(tomli.loads(text), data)))
    if name.endswith((".yml", ".yaml")) or name == "pixi.lock":
        return str(yaml.safe_dump(changed(yaml.safe_load(text), data), sort_keys=False, allow_unicode=True))
    lines = text.splitlines()
    return "\n".join(map(str, changed(lines, data)))


def require_as_locked(locks: dict[str, Lock], texts: str) -> None:
    for lock in locks.values():
        seen = [file.name for file in lock.files]
        assert len(seen) == len(set(seen)), "a package twice"
        for file in lock.files:
            assert file.sha256 in texts.lower(), f"{file.file} with a hash that no file has"
            if lock.source == "conda":
                assert f"/{file.name}-{file.version.replace(' ', '-')}." in f"/{file.file}".lower()
            else:
                name, version, *_ = parse_wheel_filename(file.file)
                assert (name, version) == (file.name, Version(file.version))


def require_asked(folder: Path, locks: dict[str, Lock]) -> None:
    """Each plain requirement of a [project] is there, in a version that it allows."""
    project = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    there = {file.name: file.version for lock in locks.values() for file in lock.files}
    for line in project.get("dependencies", ()) if "dependencies" not in project.get("dynamic", ()) else ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.marker is None:
            has = there.get(canonicalize_name(wanted.name), "")
            own = canonicalize_name(wanted.name) == canonicalize_name(project.get("name", ""))
            assert own or (has and wanted.specifier.contains(has, prereleases=True)), f"{line}: {has or 'none'}"


def planned(folder: Path, chosen: Chosen, *, jupyter: bool) -> None:
    intake = take(Tree(folder, TREE), chosen=chosen)
    if intake is None:
        return
    for platform in PLATFORMS:
        locks = intake.locks(platform)
        require_as_locked(locks, "".join(path.read_text(encoding="utf-8") for path in folder.iterdir()))
        if intake.path.name in ("uv.lock", "pylock.toml") and not (folder / "requirements.txt").exists():
            require_asked(folder, locks)
        intake.builds_project(platform)
        intake.variables(platform)
        intake.requires(platform)
        if not jupyter:
            continue
        there = {file.name for lock in locks.values() for file in lock.files}
        over = {file.name for file in added(intake, platform).files}
        assert not over & there, "replaces what is there"


@settings(max_examples=MUTATIONS, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_value_is_taken_as_it_says_or_told(kind: str, data: st.DataObject) -> None:
    files = dict(KINDS[kind])
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(sorted(files)))
        files[name] = mutated(name, files[name], data)
    more = Chosen(("more",), ("dev",)) if kind == "uv" and data.draw(st.booleans()) else Chosen()
    # It takes longest, and looks at less of what was changed.
    jupyter = data.draw(st.integers(0, 19)) == 1
    told = ""
    with tempfile.TemporaryDirectory() as place:
        for name, text in files.items():
            (Path(place) / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            planned(Path(place), more, jupyter=jupyter)
        except EnvError as error:
            told = str(error)
    assert len(told.splitlines()) < 2
    assert "./noxw -s lock -- conda" not in told
