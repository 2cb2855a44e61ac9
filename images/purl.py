"""Package URLs (purl-spec): the one name that scanners know a package by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from env.lock import LockedFile
from env.platforms import Platform

SUITE = "trixie"


def purl_of(kind: str, file: LockedFile, platform: Platform) -> str:
    """Give the purl of a locked package; `kind` is ``debian``, ``wheels`` or ``conda``."""
    if kind == "debian":
        architecture = "all" if file.file.endswith("_all.deb") else platform.debian
        return purl("deb", f"debian/{file.name}", file.version, {"arch": architecture, "distro": SUITE})
    if kind == "conda":
        version, _, build = file.version.partition(" ")
        subdir = PurePosixPath(file.file).parts[0]
        suffix = "conda" if file.file.endswith(".conda") else "tar.bz2"
        return purl("conda", file.name, version, {"build": build, "subdir": subdir, "type": suffix})
    return purl("pypi", file.name, file.version, {"file_name": file.file})


def purl(kind: str, name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """Put a purl together: percent-encoded but for colons, qualifiers sorted, empty ones left out."""
    path = "/".join(quote(part, safe=":") for part in name.split("/"))
    pairs = "&".join(f"{key}={quote(value, safe=':')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{path}@{quote(version, safe=':')}" + (f"?{pairs}" if pairs else "")
