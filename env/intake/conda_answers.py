"""Whether a conda-lock.yml answers the environment.yml that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from rattler import PackageRecord
from rattler.match_spec import MatchSpec
from rattler.package import BuildString

from env.errors import StaleLockError
from env.formats.lock import LockedFile
from env.formats.markers import applies
from env.intake.environment_yml import category_of, conda_lines, find_environment_yml, pip_lines
from env.platforms import Platform


def sources_of(path: Path, named: Sequence[str]) -> list[Path]:
    """Return the environment.yml files that are there of those that a lock names, or the one beside it if none is."""
    there = [path.parent / name for name in named if name.endswith((".yml", ".yaml"))]
    if found := [source for source in there if source.is_file()]:
        return found
    beside = find_environment_yml(path.parent)
    return [beside] if beside is not None and not there else []


def require_answers(
    path: Path,
    command: str,
    sources: Iterable[Path],
    categories: Iterable[str],
    locked: tuple[Platform, str, Sequence[LockedFile], Mapping[str, str]],
) -> None:
    """Refuse a lock without what its sources ask for in these categories.

    `locked` are the platform, its Python, its conda packages, and its Python distributions, version by name.

    Raises:
        StaleLockError: something is not there, or in another version.

    """
    platform, python, files, distributions = locked
    asked = [source for source in sources if category_of(source) in {*categories}]
    faults = [
        *_conda(asked, files),
        *((source, line, has) for source in asked for line, has in _pip(source, platform, python, distributions)),
    ]
    for source, line, has in faults:
        reason = f"{source.name} asks for `{line}`, and it has {has} for {platform.conda}"
        raise StaleLockError(path, command=command, reason=reason)


def _conda(sources: Iterable[Path], files: Sequence[LockedFile]) -> Iterator[tuple[Path, str, str]]:
    records = {file.name: PackageRecord(file.name, *_record(file), 0, "noarch") for file in files}
    wanted: dict[str, tuple[Path, str, MatchSpec]] = {}
    for source, line in ((one, line) for one in sources for line in conda_lines(one)):
        try:
            spec = MatchSpec(line)
            # Of several sources the last counts, as for conda-lock.
            wanted[spec.name.normalized] = source, line, spec
        except Exception:  # noqa: BLE001,S112 - what py-rattler can't parse, conda-lock could
            continue
    for name, (source, line, spec) in wanted.items():
        record = records.get(name)
        if record is None or not spec.matches(record):
            yield source, line, next((f"{file.name} {file.version}" for file in files if file.name == name), "none")


def _pip(source: Path, platform: Platform, python: str, distributions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for line in pip_lines(source):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            # An option or an address.
            continue
        name = canonicalize_name(requirement.name)
        has = distributions.get(name)
        if not applies(requirement, frozenset(), platform, python):
            continue
        if has is None or not _fits(requirement, has):
            yield line, f"{name} {has}" if has else "none"


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        # A conda package's version need not be one of Python's.
        return True


def _record(file: LockedFile) -> tuple[str, BuildString]:
    version, _, build = file.version.partition(" ")
    return version, BuildString(build)
