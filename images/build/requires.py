"""Whether the wheels that go in have what they require: each Requires-Dist, with extras, as pip's check has it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from env.formats.lock import LockedFile
from env.formats.markers import applies
from env.platforms import Platform
from env.store.store import Store
from images.errors import PackageContentError

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_LARGEST = 16 << 20


@dataclass(frozen=True)
class Metadata:
    """What a wheel says of itself (PyPA's core metadata)."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str


def read_metadata(path: Path, file: LockedFile) -> Metadata:
    """Read a wheel's METADATA.

    Raises:
        PackageContentError: it is no wheel.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if _METADATA.fullmatch(name)), None)
            if name is None or archive.getinfo(name).file_size > _LARGEST:
                raise PackageContentError(file.file, "has no METADATA that can be read")
            headers = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageContentError(file.file, f"is not a usable wheel ({error})") from None
    requires = tuple(str(line) for line in headers.get_all("Requires-Dist", []))
    return Metadata(file.name, file.version, requires, str(headers.get("Requires-Python", "")))


def metadata_of(files: Iterable[LockedFile], store: Store) -> list[Metadata]:
    """Read the METADATA of stored wheels."""
    return [read_metadata(store.verified(file.sha256, file.file), file) for file in files]


def unmet(
    wheels: Iterable[Metadata], asked: Iterable[str], provided: Mapping[str, str], platform: Platform, python: str
) -> Iterator[str]:
    """Yield, in words, what wheels require and there is not, or not in that version.

    `asked` are the requirements that are asked for themselves, whose extras count; `provided` are other distributions,
    version by name, of conda packages.
    """
    found = {one.name: one for one in wheels}
    versions = {**provided, **{name: one.version for name, one in found.items()}}
    extras: dict[str, frozenset[str]] = {name: frozenset() for name in found}
    waiting = [*found, *_extras_of(asked)]
    while waiting:
        name, _, more = waiting.pop().partition("[")
        wanted = extras.get(name, frozenset()) | {extra for extra in more.rstrip("]").split(",") if extra}
        if name in found and (wanted != extras[name] or not more):
            extras[name] = wanted
            waiting += _extras_of(str(one) for one in _requirements(found[name], wanted, platform, python))
    for name, one in sorted(found.items()):
        if one.requires_python and not _fits(one.requires_python, python):
            yield f"{name} {one.version} requires Python {one.requires_python}, and there is {python}"
        for requirement in _requirements(one, extras[name], platform, python):
            needed = canonicalize_name(requirement.name)
            if needed not in versions:
                yield f"{name} {one.version} requires `{requirement.name}{requirement.specifier}`, which is not there"
            elif not _fits(str(requirement.specifier), versions[needed]):
                wants = f"`{requirement.name}{requirement.specifier}`"
                yield f"{name} {one.version} requires {wants}, and there is {versions[needed]}"


def _requirements(one: Metadata, extras: frozenset[str], platform: Platform, python: str) -> Iterator[Requirement]:
    for line in one.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if applies(requirement, extras, platform, python):
            yield requirement


def _extras_of(lines: Iterable[str]) -> list[str]:
    """Return ``name[extra,extra]`` of the requirements that have extras."""
    found = []
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.extras:
            extras = sorted(canonicalize_name(extra) for extra in requirement.extras)
            found.append(f"{canonicalize_name(requirement.name)}[{','.join(extras)}]")
    return found


def _fits(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        # A conda package's version need not be one of Python's.
        return True
