"""The wheels and overlay locks: one wheel a package, the best that the platform's tags allow."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.tags import Tag
from packaging.utils import canonicalize_name

from env.errors import OverlayReplacesError, ToolFailedError
from env.formats.lock import Lock, LockedFile
from env.formats.wheel_tags import best_wheel, platform_options, tag_order, wheel_file
from env.index.uv import compile_requirements
from env.platforms import Platform
from env.spec import Tree, source_requirements, spec_digest


def resolve(requirements: Sequence[str], platform: Platform, constraints: Path, work: Path) -> tuple[LockedFile, ...]:
    """Resolve requirement lines to one wheel a package, with a requirements file as constraints.

    Raises:
        NoNetworkError: no index answers.
        ToolFailedError: no solution, or a package without a wheel for the platform.

    """
    output = work / f"pylock.{platform.slug}.toml"
    output.unlink(missing_ok=True)
    compile_requirements(requirements, output, [*platform_options(platform), "--constraints", str(constraints)])
    order = tag_order(platform)
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


def lock_wheels(platform: Platform, constraints: Path, work: Path, tree: Tree) -> tuple[Lock, Lock]:
    """Make the wheels lock and the overlay lock of a platform; `constraints` is lab.txt, `work` an empty folder.

    Raises:
        OverlayReplacesError: the overlay needs another version of a package that the wheels have.

    """
    wheels = resolve(source_requirements("wheels", tree), platform, constraints, work)
    over = resolve(source_requirements("overlay", tree), platform, constraints, work)
    return (
        Lock("wheels", platform, spec_digest("wheels", tree), wheels),
        Lock("overlay", platform, spec_digest("overlay", tree), additions(over, wheels, platform)),
    )


def lock_cuda(platform: Platform, work: Path, tree: Tree) -> tuple[Lock, Lock]:
    """Make the cuda lock and its overlay lock; `work` is an empty folder.

    All is resolved at once, so that the overlay fits, and then again without the overlay's own requirements.
    """
    none = work / "none.txt"
    none.touch()
    everything = resolve(source_requirements("cuda-overlay", tree), platform, none, work)
    pins = work / "cuda-pins.txt"
    pins.write_text("".join(f"{file.name}=={file.version}\n" for file in everything), encoding="utf-8")
    below = resolve(source_requirements("cuda", tree), platform, pins, work)
    return (
        Lock("cuda", platform, spec_digest("cuda", tree), below),
        Lock("cuda-overlay", platform, spec_digest("cuda-overlay", tree), additions(everything, below, platform)),
    )


def additions(over: Sequence[LockedFile], below: Sequence[LockedFile], platform: Platform) -> tuple[LockedFile, ...]:
    """Return the files of `over` whose packages `below` has not.

    Raises:
        OverlayReplacesError: a package is in both with different versions.

    """
    present = {file.name: file.version for file in below}
    for file in over:
        if present.get(file.name, file.version) != file.version:
            raise OverlayReplacesError(file.name, present[file.name], file.version, platform)
    return tuple(file for file in over if file.name not in present)
