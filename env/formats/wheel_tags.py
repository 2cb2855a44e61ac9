"""Which wheels fit the images' Python on a platform (PEP 425, PEP 600), and which of several is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from env.platforms import PYTHON, Platform

_OLDEST_GLIBC_MINOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_FLOOR_GLIBC_MINOR = 28


def supported_tags(
    platform: Platform, version: tuple[int, int] = (3, 13), glibc_minor: int = _FLOOR_GLIBC_MINOR
) -> tuple[Tag, ...]:
    """Return the wheel tags of a CPython with glibc 2 of that minor version on a platform, best first.

    Sources: PEP 425, PEP 600.
    """
    machine = platform.machine
    platforms: list[str] = []
    for minor in range(glibc_minor, _OLDEST_GLIBC_MINOR[machine] - 1, -1):
        platforms.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            platforms.append(f"{_LEGACY[minor]}_{machine}")
    platforms.append(f"linux_{machine}")
    abi = f"cp{version[0]}{version[1]}"
    return (
        *cpython_tags(version, abis=[abi], platforms=platforms),
        *compatible_tags(version, abi, platforms),
    )


def tag_order(platform: Platform, version: tuple[int, int] = (3, 13)) -> dict[Tag, int]:
    """Return the rank of each tag that a CPython supports, the best first: what `best_wheel` chooses by."""
    return {tag: rank for rank, tag in reversed(list(enumerate(supported_tags(platform, version))))}


def tag_order_of_base(platform: Platform, glibc_minor: int) -> dict[Tag, int]:
    """Return the same for the images' Python over a C library that may be newer than wheels are locked for here.

    What only that one runs comes last, so that which wheel is chosen does not depend on the base where it need not.
    """
    order = tag_order(platform)
    newer = (tag for tag in supported_tags(platform, glibc_minor=glibc_minor) if tag not in order)
    return order | {tag: len(order) + rank for rank, tag in enumerate(newer)}


def best_wheel(wheels: Iterable[dict[str, Any]], order: Mapping[Tag, int]) -> dict[str, Any] | None:
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
    """Return a wheel's file name: named, or the last part of its URL or path (PEP 751)."""
    if name := wheel.get("name"):
        return str(name)
    return unquote(urlsplit(str(wheel.get("url") or wheel["path"])).path.rpartition("/")[2])


def platform_options(platform: Platform, python: str = "") -> list[str]:
    """Return uv's options to resolve for a Python, the images' if none is named, on a platform into a pylock.toml."""
    return ["--python-version", python or PYTHON, "--python-platform", platform.uv, "--format", "pylock.toml"]
