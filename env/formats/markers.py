"""Which requirements apply on a platform of the images (PEP 508)."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.markers import Marker
from packaging.requirements import Requirement

from env.platforms import PYTHON, Platform


def environment_markers(platform: Platform, python: str = "") -> dict[str, str]:
    """Return the marker variables of a Python on a platform: of that full version, the images' own if none is given."""
    full = python or f"{PYTHON}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": platform.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": "linux",
    }


def marked_requirements(lines: Iterable[str], platform: Platform) -> list[str]:
    """Return the requirement lines that apply on a platform, without their markers."""
    requirements = [Requirement(line) for line in lines]
    return [unmarked(one) for one in requirements if applies(one, frozenset(), platform)]


def applies(requirement: Requirement, extras: frozenset[str], platform: Platform, python: str = "") -> bool:
    """Say whether a requirement of a package applies on a platform, with these extras of the package."""
    if requirement.marker is None:
        return True
    markers = environment_markers(platform, python)
    return any(requirement.marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras))


def installs(
    marker: str,
    platform: Platform,
    python: str = "",
    groups: frozenset[str] = frozenset(),
    extras: frozenset[str] = frozenset(),
) -> bool:
    """Say whether a package of a lock file is for a platform, with these extras and groups of it (PEP 751)."""
    chosen: dict[str, str | frozenset[str]] = {**environment_markers(platform, python)}
    chosen |= {"extras": extras, "dependency_groups": groups}
    return Marker(marker).evaluate(chosen, context="lock_file")


def unmarked(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    bare = Requirement(str(requirement))
    bare.marker = None
    return str(bare)
