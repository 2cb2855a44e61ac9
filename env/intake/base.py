"""What the images' base gives an environment: its C library, and its Python where the environment brings none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from packaging.version import InvalidVersion, Version

from env.formats.lock import find_lock, lock_name
from env.platforms import Platform
from env.spec import Source, Tree

CUDA_OVERRIDE = "CONDA_OVERRIDE_CUDA"
"""The variable of conda and pixi with the version of CUDA that is taken as given (conda's virtual packages)."""
_UPSTREAM = re.compile(r"(?:\d+:)?(?P<version>\d+(?:\.\d+)*)")


def glibc_of(platform: Platform, project: Tree) -> str:
    """Return the version of the C library below conda packages, e.g. ``2.41``."""
    return _version("libc6", "debian-conda", platform, project)


def glibc_minor(platform: Platform, project: Tree) -> int:
    """Return the minor version of that C library, which wheels' tags have."""
    return int(glibc_of(platform, project).split(".")[1])


def python_of(platform: Platform, project: Tree) -> str:
    """Return the full version of the Python below wheels, e.g. ``3.13.5``."""
    return _version("python3.13-minimal", "debian", platform, project)


def _version(package: str, source: Source, platform: Platform, project: Tree) -> str:
    lock = find_lock(project, lock_name(source, platform))
    version = next(file.version for file in lock.files if file.name == package)
    found = _UPSTREAM.match(version)
    return found["version"] if found else version


def lacking(virtual: Iterable[str], platform: Platform, project: Tree) -> Iterator[str]:
    """Yield, in words, which virtual packages (``__glibc=2.28``) the base does not give; others are its kernel's."""
    for text in virtual:
        name, version, *_ = [*text.split("="), ""]
        match name:
            case "__glibc":
                has = glibc_of(platform, project)
                if _more(version, has):
                    yield f"needs glibc {version}, and the base has {has}"
            case "__cuda":
                given = os.environ.get(CUDA_OVERRIDE, "")
                if not given or _more(version, given):
                    has = f"{CUDA_OVERRIDE} says {given}" if given else "the base has none"
                    yield (
                        f"needs CUDA {version}, and {has}: where whoever runs the image brings the driver, set "
                        f"{CUDA_OVERRIDE}={version or 'VERSION'}"
                    )
            case "__osx" | "__win" | "__musl":
                yield f"needs {name}, which Debian is not"
            case _:
                continue


def _more(wanted: str, given: str) -> bool:
    try:
        return bool(wanted) and Version(wanted) > Version(given)
    except InvalidVersion:
        return True
