"""Whether a pixi.lock answers its manifest: each package that is asked for is there, in a version that will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from rattler.lock import PypiLockedPackage

from env.errors import SpecError, StaleLockError
from env.formats.markers import environment_markers
from env.formats.matchspec import by_name, satisfied
from env.formats.pixi_lock import CondaPackage
from env.formats.pypi_names import EXCEPTIONS
from env.intake.pixi_manifest import PixiManifest, Target
from env.intake.reading import line_of
from env.platforms import Platform

_SOURCES = {"path", "git", "url"}


def require_answers(
    manifest: PixiManifest,
    environment: str,
    target: Target,
    conda: Iterable[CondaPackage],
    pypi: Iterable[PypiLockedPackage],
    path: Path,
    command: str,
) -> None:
    """Refuse a lock that does not answer its manifest.

    Raises:
        StaleLockError: a package is missing, or of another version.
        SpecError: the manifest asks for something that can't be read.

    """
    packages = {package.name: package for package in conda}
    where = f"environment {environment} on {target.platform.conda}"
    for wish in _conda_faults(manifest, environment, target, packages):
        raise StaleLockError(path, command=command, reason=f"{where}, {manifest.path.name} asks for {wish}")
    wheels: dict[str, str] = {canonicalize_name(package.name): package.version for package in pypi}
    known = {name for package in packages.values() for name in pypi_names(package)}
    places: dict[str, str] = {canonicalize_name(package.name): package.location for package in pypi}
    python = packages["python"].version if "python" in packages else ""
    for wish in _pypi_faults(manifest, environment, target, (wheels, places, python), known):
        raise StaleLockError(path, command=command, reason=f"{where}, {manifest.path.name} asks for {wish}")


def _conda_faults(
    manifest: PixiManifest, environment: str, target: Target, packages: Mapping[str, CondaPackage]
) -> Iterator[str]:
    records = by_name(packages.values(), ())
    for name, wanted in manifest.conda_specs(environment, target):
        spec = _spec(manifest, name, wanted)
        has = packages.get(name.lower())
        try:
            fits = satisfied(spec, records)
        except Exception as error:  # noqa: BLE001 - py-rattler raises bare Exceptions for what it can't parse
            reason = " ".join(str(error).split())[:200]
            raise SpecError(line_of(manifest.path, name), f"dependencies.{name}: `{spec}`: {reason}") from None
        if not fits:
            yield f"`{spec}`, and the lock has {has or 'none'}"


def _spec(manifest: PixiManifest, name: str, wanted: Any) -> str:
    """Return a wish as a match spec: of what a source says only the name."""
    if isinstance(wanted, dict):
        if _SOURCES & set(wanted):
            return name
        version, build = wanted.get("version", "*"), wanted.get("build", "")
    else:
        version, build = wanted, ""
    if not isinstance(version, str) or not isinstance(build, str):
        where = line_of(manifest.path, name)
        raise SpecError(where, f"dependencies.{name} is neither a version nor a table with one")
    return f"{name} {version.strip() or '*'} {build}".strip() if build else f"{name} {version.strip() or '*'}"


def _pypi_faults(
    manifest: PixiManifest,
    environment: str,
    target: Target,
    locked: tuple[Mapping[str, str], Mapping[str, str], str],
    known: set[str],
) -> Iterator[str]:
    """Yield what is asked of PyPI; `locked` are versions and places by name, and the Python's version."""
    wheels, places, python = locked
    for name, wanted in manifest.pypi_specs(environment, target):
        key = canonicalize_name(name)
        if isinstance(wanted, dict) and not _is_here(wanted, target.platform, python):
            continue
        version = wanted.get("version", "*") if isinstance(wanted, dict) else wanted
        source = _source(wanted) if isinstance(wanted, dict) else ""
        if key not in wheels and key not in known:
            yield f"`{name}` of PyPI, and the lock has none"
        elif source and key in wheels and not _is_from(source, wanted[source], places[key]):
            yield f"`{name}` from {source} {wanted[source]}, and the lock has {places[key]}"
        elif key in wheels and isinstance(version, str) and not _fits(version, wheels[key]):
            yield f"`{name} {version}` of PyPI, and the lock has {wheels[key]}"


def _is_here(wanted: Mapping[str, Any], platform: Platform, python: str) -> bool:
    """Say whether a wish is for these machines; not where its marker can't be read."""
    marker = next((wanted[key] for key in ("env-markers", "markers", "env_markers") if key in wanted), None)
    try:
        return marker is None or Marker(str(marker)).evaluate(environment_markers(platform, python))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return False


def _source(wanted: Mapping[str, Any]) -> str:
    return next((kind for kind in ("git", "url") if isinstance(wanted.get(kind), str)), "")


def _is_from(source: str, asked: str, place: str) -> bool:
    """Say whether what is locked is from where the manifest takes it; of a repository the address alone counts."""
    if source == "url":
        return urldefrag(place.removeprefix("direct+"))[0] == urldefrag(asked)[0]
    return place.startswith("git+")


def _fits(wanted: str, version: str) -> bool:
    text = wanted.strip()
    if text in ("", "*"):
        return True
    try:
        return SpecifierSet(text).contains(version, prereleases=True)
    except (InvalidSpecifier, ValueError):
        # Such as the "<dynamic>" of a project that says its version when it is built.
        return True


def pypi_names(package: CondaPackage) -> list[str]:
    """Return what a conda package may be called on PyPI: as pixi found out, as our table has it, and as it is."""
    names = [purl.removeprefix("pkg:pypi/").partition("@")[0] for purl in package.purls if purl.startswith("pkg:pypi/")]
    names += [EXCEPTIONS.get(package.name) or package.name, package.name]
    return list(dict.fromkeys(canonicalize_name(name) for name in names))
