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
from packaging.version import Version
from rich.console import Console

from env.errors import LockFormatError
from env.formats.additions import FLOOR, Addition, Wheel, additions_text, targets
from env.formats.lock import Lock, LockedFile
from env.formats.wheel_tags import best_wheel, tag_order, wheel_file
from env.index.uv import compile_requirements
from env.platforms import AMD64
from env.resolve.requirements import pins
from env.spec import Tree, source_requirements, spec_digest
from env.store.fetch import fetch
from env.store.store import Store

_UNIVERSAL = ["--universal", "--python-version", ".".join(map(str, FLOOR)), "--format", "pylock.toml"]
_Found = tuple[Mapping[str, Any], list[dict[str, Any]]]
"""A package of a resolution, and its wheels."""
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def lock_additions(lab: Path, work: Path, tree: Tree, store: Store, console: Console) -> str:
    """Resolve what may be added, and return the lock's text: the versions of a lab.txt, and the lowest that will do.

    So that environments with older packages can be added to. One wheel of each is fetched, for what it requires.

    Raises:
        ToolFailedError: no solution.
        EnvError: a wheel could not be fetched.

    """
    # What is newer than lab.txt, nobody has tried.
    bounds = work / "not-newer.txt"
    versions = {name: text.replace("|", " ").split() for name, text in pins(lab.read_text(encoding="utf-8")).items()}
    newest = {name: max(map(Version, filter(_is_version, words))) for name, words in versions.items()}
    bounds.write_text("".join(f"{name}<={version}\n" for name, version in newest.items()), encoding="utf-8")
    found: dict[tuple[str, str], _Found] = {}
    for kind, options in (
        ("newest", ["--constraints", str(lab)]),
        ("lowest-direct", ["--resolution", "lowest-direct", "--constraints", str(bounds)]),
        ("lowest", ["--resolution", "lowest", "--constraints", str(bounds)]),
    ):
        output = work / f"pylock.{kind}.toml"
        compile_requirements(source_requirements("with-jupyter", tree), output, [*_UNIVERSAL, *options])
        for package in tomllib.loads(output.read_text(encoding="utf-8")).get("packages", []):
            if wheels := _wheels(package):
                found[package["name"], package["version"]] = package, wheels
    # Of the wheels of a version, what they require is the same.
    read = {key: _file(package, wheels[0]) for key, (package, wheels) in found.items()}
    # An index answers for one version of a package at a time.
    while read:
        one_each = {key[0]: key for key in read}
        files = tuple(read[key] for key in one_each.values())
        fetch([Lock("pypi", AMD64, "", files, command="./noxw -s lock -- wheels")], store, console=console)
        read = {key: file for key, file in read.items() if key not in one_each.values()}
    packages = [_addition(package, wheels, store) for package, wheels in found.values()]
    return additions_text(spec_digest("with-jupyter", tree), packages)


def _is_version(word: str) -> bool:
    return word[:1].isdigit()


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


def _addition(package: Mapping[str, Any], wheels: list[dict[str, Any]], store: Store) -> Addition:
    read = _file(package, wheels[0])
    try:
        with zipfile.ZipFile(store.verified(read.sha256, read.file)) as archive:
            inside = next(one for one in archive.namelist() if _METADATA.fullmatch(one))
            message = BytesParser().parsebytes(archive.read(inside))
    except (zipfile.BadZipFile, StopIteration):
        raise LockFormatError(read.file, "is not a wheel") from None
    requires = sorted({str(Requirement(line)) for line in message.get_all("Requires-Dist", [])})
    files = tuple(Wheel(wheel_file(one), one["hashes"]["sha256"], one["size"]) for one in wheels)
    wanted = str(message.get("Requires-Python", ""))
    return Addition(read.name, read.version, wanted, tuple(requires), files)
