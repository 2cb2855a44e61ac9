"""Small pixi projects of the shapes that people have: manifests, and locks of the versions that pixi wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

CHANNEL = "https://conda.anaconda.org/conda-forge"
MANIFEST = """
[workspace]
name = "shapes"
channels = ["conda-forge"]
platforms = ["linux-64", "osx-arm64"]
"""


def conda(name: str, version: str, *, build: str = "0", subdir: str = "linux-64", depends: Iterable[str] = ()) -> str:
    """Return the entry of a conda package in the `packages` of a lock, version 6."""
    lines = [
        f"- conda: {CHANNEL}/{subdir}/{name}-{version}-{build}.conda",
        f"  sha256: {hashlib.sha256(name.encode()).hexdigest()}",
        f"  md5: {hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}",
        *(["  depends:"] if depends else []),
        *(f"  - {one}" for one in depends),
        "  license: BSD-3-Clause",
        "  size: 1000",
        "  timestamp: 1700000000000",
    ]
    return "\n".join(lines)


def pypi(name: str, version: str, place: str, *, requires: Iterable[str] = (), hashed: bool = True) -> str:
    """Return the entry of a package of PyPI in the `packages` of a lock, version 6."""
    lines = [f"- pypi: {place}", f"  name: {name}", f"  version: '{version}'"]
    lines += [f"  sha256: {hashlib.sha256(place.encode()).hexdigest()}"] if hashed else []
    lines += ["  requires_dist:", *(f"  - {one}" for one in requires)] if requires else []
    return "\n".join(lines)


def lock(
    *packages: str,
    environments: Iterable[str] = ("default",),
    platforms: Iterable[str] = ("linux-64", "osx-arm64"),
    version: int = 6,
) -> str:
    """Return a pixi.lock that has these packages in each of its environments and platforms."""
    lines = [f"version: {version}"]
    if version == 7:
        lines += ["platforms:", *(f"- name: {platform}" for platform in platforms)]
    lines.append("environments:")
    heads = [package.splitlines()[0] for package in packages]
    for environment in environments:
        lines += [f"  {environment}:", "    channels:", f"    - url: {CHANNEL}/"]
        if any("pypi:" in head for head in heads):
            lines += ["    indexes:", "    - https://index.invalid/simple"]
        lines.append("    packages:")
        for platform in platforms:
            lines += [f"      {platform}:", *(f"      {head}" for head in heads)]
    written = map(_version_5, packages) if version == 5 else packages
    return "\n".join([*lines, "packages:", *written]) + "\n"


def _version_5(package: str) -> str:
    head, _, rest = package.partition("\n")
    url = head.removeprefix("- conda: ")
    subdir, stem = url.split("/")[-2], url.split("/")[-1].removesuffix(".conda")
    name, version, build = stem.rsplit("-", 2)
    fields = {"name": name, "version": f"'{version}'", "build": f"'{build}'", "subdir": subdir, "url": url}
    return "\n".join(["- kind: conda", *(f"  {key}: {value}" for key, value in fields.items()), rest])


def write(folder: Path, manifest: str, locked: str, name: str = "pixi.toml") -> Path:
    """Write a project; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(manifest, encoding="utf-8")
    (folder / "pixi.lock").write_text(locked, encoding="utf-8")
    return folder
