"""Python packages of a recipe's own: requirements.txt says what is asked for, pylock.toml (PEP 751) the exact answer.

Both are read where a recipe brings them, beside its image.toml. Any tool that writes pylock.toml will do; ours is
`lock --recipe`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from env.errors import LockFormatError, LockMissingError, NoWheelError, SpecError, StaleLockError, UnlistedHashError
from env.formats.lock import Lock, LockedFile
from env.formats.markers import applies, installs
from env.formats.wheel_tags import best_wheel, tag_order, wheel_file
from env.platforms import PYTHON, Platform
from env.spec import DISTRIBUTION, FORMER_NAME, FORMER_NAME_REFUSED, Tree, project_version, source_requirements

REQUIREMENTS = "requirements.txt"
PYLOCK = "pylock.toml"
_LOCK_VERSION = "1.0"
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Asked:
    """One requirement."""

    requirement: Requirement
    hashes: frozenset[str] = frozenset()
    """sha256 of the files that may answer it; empty where any may."""

    @property
    def name(self) -> str:
        """The normalised name (PEP 503)."""
        return canonicalize_name(self.requirement.name)


def target_of(root: Path) -> str:
    """Give what ``lock`` is told, to lock the recipe in a folder."""
    return f"--recipe {root}"


def read_requirements(tree: Tree) -> tuple[Asked, ...]:
    """Read requirements.txt, in pip's format without its options; the project's own name stands for what it requires.

    Raises:
        SpecError: it is not there, or a line is no requirement on a package of an index, or asks for the extension by
            a name or a version that is not this project's.

    """
    return tree.once(REQUIREMENTS, lambda: _requirements(tree))


def _requirements(tree: Tree) -> tuple[Asked, ...]:
    path = tree.root / REQUIREMENTS
    try:
        text = tree.content(REQUIREMENTS).decode()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise SpecError(path, str(error)) from None
    found = [_asked(path, number, line) for number, line in _logical_lines(text)]
    own = [one for one in found if one.name == DISTRIBUTION]
    for one in own:
        version = project_version(tree.project)
        if not one.requirement.specifier.contains(version, prereleases=True):
            raise SpecError(path, f"asks for `{one.requirement}`, and this checkout is {version}")
    needed = [Asked(Requirement(line)) for line in source_requirements("overlay", tree.project)] if own else []
    return tuple([one for one in found if one not in own] + needed)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    joined, first = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = f"{joined[:-1]} "
            continue
        if joined.strip():
            yield first, joined.strip()
        joined, first = "", number + 1
    if joined.strip():
        yield first, joined.strip()


def _asked(path: Path, number: int, line: str) -> Asked:
    hashes = frozenset(_HASH.findall(line))
    bare = _HASH.sub("", line).strip()
    if bare.startswith("-") or " --" in bare:
        raise SpecError(f"{path}:{number}", "options are not taken here: an index is set for uv, UV_DEFAULT_INDEX")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise SpecError(f"{path}:{number}", f"is no requirement: {' '.join(str(error).split())}") from None
    if canonicalize_name(requirement.name) == FORMER_NAME:
        raise SpecError(f"{path}:{number}", FORMER_NAME_REFUSED)
    if requirement.url is not None:
        raise SpecError(f"{path}:{number}", f"asks for {requirement.name} at an address: only an index is asked")
    return Asked(requirement, hashes)


def requirements_digest(tree: Tree) -> str:
    """Give the sha256 of what a recipe's requirements.txt asks for, in canonical form."""
    lines = sorted([str(one.requirement), *sorted(one.hashes)] for one in read_requirements(tree))
    return hashlib.sha256(json.dumps(lines, separators=(",", ":")).encode()).hexdigest()


def pylock_files(platform: Platform, tree: Tree, content: str | None = None) -> Lock:
    """Give the packages of a recipe's pylock.toml for a platform, one wheel each, the best that its tags allow.

    `content` is that of one that is not written yet.

    Raises:
        LockMissingError, LockFormatError: there is none, or it can't be used.
        NoWheelError: a package can't be had for the platform.
        StaleLockError: it does not answer requirements.txt.
        UnlistedHashError: it answers with another file.
        SpecError: requirements.txt is missing or can't be read.

    """
    asked = read_requirements(tree)
    path, target = tree.root / PYLOCK, target_of(tree.root)
    data = (
        _parse(path, target, content) if content is not None else tree.once(PYLOCK, lambda: _read(path, target, tree))
    )
    files = tuple(sorted(_files(data, path, platform, target), key=lambda file: file.name))
    have = {file.name: file for file in files}
    if len(have) != len(files):
        raise LockFormatError(path, f"names a package twice for {platform}", target)
    for one in asked:
        if not applies(one.requirement, frozenset(), platform):
            continue
        file = have.get(one.name)
        if file is None or not one.requirement.specifier.contains(Version(file.version), prereleases=True):
            wanted = f"`{one.requirement}` on {platform}"
            raise StaleLockError(f"{path} ({wanted}: it has {file.version if file else 'none'})", target)
        if one.hashes and file.sha256 not in one.hashes:
            raise UnlistedHashError(tree.root / REQUIREMENTS, one.name, file.file, file.sha256)
    return Lock("pylock", platform, requirements_digest(tree), files)


def _files(data: Mapping[str, Any], path: Path, platform: Platform, target: str) -> Iterator[LockedFile]:
    order = tag_order(platform)
    for package in data.get("packages", []):
        if "marker" in package and not installs(package["marker"], platform):
            continue
        name, version = package.get("name", "a package"), package.get("version", "")
        if canonicalize_name(name) == FORMER_NAME:
            raise LockFormatError(path, FORMER_NAME_REFUSED, target)
        wheel = best_wheel(package.get("wheels", []), order)
        if wheel is None or not version:
            raise NoWheelError(path, f"{name} {version}".strip(), platform, PYTHON)
        if "sha256" not in wheel.get("hashes", {}) or "size" not in wheel:
            raise LockFormatError(path, f"{wheel_file(wheel)} has no sha256 or no size", target)
        yield LockedFile(canonicalize_name(name), version, wheel_file(wheel), wheel["hashes"]["sha256"], wheel["size"])


def _read(path: Path, target: str, tree: Tree) -> dict[str, Any]:
    try:
        return _parse(path, target, tree.content(PYLOCK).decode())
    except FileNotFoundError:
        raise LockMissingError(path, target) from None
    except UnicodeDecodeError as error:
        raise LockFormatError(path, f"not TOML ({error})", target) from None


def _parse(path: Path, target: str, content: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise LockFormatError(path, f"not TOML ({error})", target) from None
    if data.get("lock-version") != _LOCK_VERSION:
        raise LockFormatError(path, f"lock-version is {data.get('lock-version')!r}, not {_LOCK_VERSION}", target)
    try:
        fits = SpecifierSet(data.get("requires-python", "")).contains(f"{PYTHON}.0")
    except InvalidSpecifier:
        fits = False
    if not fits:
        raise LockFormatError(path, f"is for Python {data['requires-python']}, not the images' {PYTHON}", target)
    return data
