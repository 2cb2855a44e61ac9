"""Lock what may be added to somebody else's environment: the versions of lab.txt, for every Python and platform."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Mapping
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console

from env.errors import LockFormatError
from env.formats.additions import FLOOR, Addition, Wheel, additions_text, targets
from env.formats.lock import Lock, LockedFile
from env.formats.wheel_tags import best_wheel, tag_order, wheel_file
from env.index.uv import compile_requirements
from env.platforms import AMD64
from env.spec import Tree, source_requirements, spec_digest
from env.store.fetch import fetch
from env.store.store import Store

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def lock_additions(lab: Path, work: Path, tree: Tree, store: Store, console: Console) -> str:
    """Resolve what may be added, with the versions of a lab.txt as constraints, and return the lock's text.

    One wheel of each package is fetched, for what it requires.

    Raises:
        ToolFailedError: no solution.
        EnvError: a wheel could not be fetched.

    """
    output = work / "pylock.with-jupyter.toml"
    options = ["--universal", "--python-version", ".".join(map(str, FLOOR)), "--format", "pylock.toml"]
    compile_requirements(source_requirements("with-jupyter", tree), output, [*options, "--constraints", str(lab)])
    found = [
        (package, wheels)
        for package in tomllib.loads(output.read_text(encoding="utf-8")).get("packages", [])
        if (wheels := _wheels(package))
    ]
    # Of the wheels of a version, what they require is the same.
    read = [_file(package, wheels[0]) for package, wheels in found]
    fetch([Lock("pypi", AMD64, "", tuple(read), command="./noxw -s lock -- wheels")], store, console=console)
    packages = [
        _addition(package, wheels, store.verified(file.sha256, file.file))
        for (package, wheels), file in zip(found, read, strict=True)
    ]
    return additions_text(spec_digest("with-jupyter", tree), packages)


def _wheels(package: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the best wheel of a package for each Python and platform; [] for what is for other systems."""
    chosen: dict[str, dict[str, Any]] = {}
    wheels = [wheel for wheel in package.get("wheels", []) if wheel_file(wheel).endswith(".whl")]
    for platform, python in targets():
        if (best := best_wheel(wheels, tag_order(platform, python))) is not None:
            chosen[wheel_file(best)] = best
    return [chosen[name] for name in sorted(chosen)]


def _file(package: Mapping[str, Any], wheel: Mapping[str, Any]) -> LockedFile:
    name, digest = canonicalize_name(package["name"]), wheel["hashes"]["sha256"]
    return LockedFile(name, package["version"], wheel_file(dict(wheel)), digest, wheel.get("size", 0), url=wheel["url"])


def _addition(package: Mapping[str, Any], wheels: list[dict[str, Any]], path: Path) -> Addition:
    name = canonicalize_name(package["name"])
    try:
        with zipfile.ZipFile(path) as archive:
            inside = next(one for one in archive.namelist() if _METADATA.fullmatch(one))
            message = BytesParser().parsebytes(archive.read(inside))
    except (zipfile.BadZipFile, StopIteration):
        raise LockFormatError(name, "is not a wheel") from None
    requires = sorted(str(Requirement(line)) for line in message.get_all("Requires-Dist", []))
    files = tuple(Wheel(wheel_file(one), one["hashes"]["sha256"], one["size"]) for one in wheels)
    return Addition(name, package["version"], str(message.get("Requires-Python", "")), tuple(requires), files)
