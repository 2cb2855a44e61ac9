"""The wheels and overlay locks: one wheel a package, the best that the platform's tags allow."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from env.errors import OverlayReplacesError, ToolFailedError
from env.lock import Lock, LockedFile
from env.platforms import Platform
from env.spec import ROOT, source_requirements, spec_digest
from env.uv import PYTHON, compile_requirements

_OLDEST_GLIBC_MINOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_FLOOR_GLIBC_MINOR = 28


def supported_tags(platform: Platform) -> tuple[Tag, ...]:
    """Give the wheel tags of CPython 3.13 with glibc 2.28 on that platform, best first (PEP 425, PEP 600)."""
    machine = platform.machine
    platforms: list[str] = []
    for minor in range(_FLOOR_GLIBC_MINOR, _OLDEST_GLIBC_MINOR[machine] - 1, -1):
        platforms.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            platforms.append(f"{_LEGACY[minor]}_{machine}")
    platforms.append(f"linux_{machine}")
    version = (3, 13)
    return (
        *cpython_tags(version, abis=["cp313"], platforms=platforms),
        *compatible_tags(version, "cp313", platforms),
    )


def best_wheel(wheels: Iterable[dict[str, Any]], order: dict[Tag, int]) -> dict[str, Any] | None:
    """Choose the wheel whose best tag comes first, then the higher build number; None if none fits.

    `wheels` are the entries of a pylock.toml package (PEP 751).
    """
    ranked = []
    for wheel in wheels:
        _, _, build, tags = parse_wheel_filename(wheel_file(wheel))
        if ranks := [order[tag] for tag in tags if tag in order]:
            ranked.append((min(ranks), [-part for part in build if isinstance(part, int)], wheel_file(wheel), wheel))
    return min(ranked, key=lambda entry: entry[:3])[3] if ranked else None


def wheel_file(wheel: dict[str, Any]) -> str:
    """Give a wheel's file name: named, or the last part of its URL or path (PEP 751)."""
    if name := wheel.get("name"):
        return str(name)
    return unquote(urlsplit(str(wheel.get("url") or wheel["path"])).path.rpartition("/")[2])


def platform_options(platform: Platform) -> list[str]:
    """Give uv's options to resolve for the images' Python on that platform into a pylock.toml."""
    return ["--python-version", PYTHON, "--python-platform", platform.uv, "--format", "pylock.toml"]


def resolve(requirements: Sequence[str], platform: Platform, constraints: Path, work: Path) -> tuple[LockedFile, ...]:
    """Resolve requirement lines to one wheel a package, with a requirements file as constraints.

    Raises:
        NoNetworkError: no index answers.
        ToolFailedError: no solution, or a package without a wheel for the platform.

    """
    output = work / f"pylock.{platform.slug}.toml"
    output.unlink(missing_ok=True)
    compile_requirements(requirements, output, [*platform_options(platform), "--constraints", str(constraints)])
    order = {tag: rank for rank, tag in reversed(list(enumerate(supported_tags(platform))))}
    return tuple(
        _locked(package, order, platform)
        for package in tomllib.loads(output.read_text(encoding="utf-8")).get("packages", [])
    )


def _locked(package: dict[str, Any], order: dict[Tag, int], platform: Platform) -> LockedFile:
    wheel = best_wheel(package.get("wheels", []), order)
    if wheel is None or "size" not in wheel:
        raise ToolFailedError("uv", f"{package['name']} {package['version']} has no wheel for {platform} with a size")
    return LockedFile(
        name=canonicalize_name(package["name"]),
        version=package["version"],
        file=wheel_file(wheel),
        sha256=wheel["hashes"]["sha256"],
        size=wheel["size"],
    )


def lock_wheels(platform: Platform, constraints: Path, work: Path, root: Path = ROOT) -> tuple[Lock, Lock]:
    """Make the wheels lock and the overlay lock of a platform; `constraints` is lab.txt, `work` an empty folder.

    Raises:
        OverlayReplacesError: the overlay needs another version of a package that the wheels have.

    """
    wheels = resolve(source_requirements("wheels", root), platform, constraints, work)
    over = resolve(source_requirements("overlay", root), platform, constraints, work)
    return (
        Lock("wheels", platform, spec_digest("wheels", root), wheels),
        Lock("overlay", platform, spec_digest("overlay", root), additions(over, wheels, platform)),
    )


def lock_cuda(platform: Platform, work: Path, root: Path = ROOT) -> tuple[Lock, Lock]:
    """Make the cuda lock and its overlay lock; `work` is an empty folder.

    All is resolved at once, so that the overlay fits, and then again without the overlay's own requirements.
    """
    none = work / "none.txt"
    none.touch()
    everything = resolve(source_requirements("cuda-overlay", root), platform, none, work)
    pins = work / "cuda-pins.txt"
    pins.write_text("".join(f"{file.name}=={file.version}\n" for file in everything), encoding="utf-8")
    below = resolve(source_requirements("cuda", root), platform, pins, work)
    return (
        Lock("cuda", platform, spec_digest("cuda", root), below),
        Lock("cuda-overlay", platform, spec_digest("cuda-overlay", root), additions(everything, below, platform)),
    )


def additions(over: Sequence[LockedFile], below: Sequence[LockedFile], platform: Platform) -> tuple[LockedFile, ...]:
    """Give the files of `over` whose packages `below` has not.

    Raises:
        OverlayReplacesError: a package is in both with different versions.

    """
    present = {file.name: file.version for file in below}
    for file in over:
        if present.get(file.name, file.version) != file.version:
            raise OverlayReplacesError(file.name, present[file.name], file.version, platform)
    return tuple(file for file in over if file.name not in present)
