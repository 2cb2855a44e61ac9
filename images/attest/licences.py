"""What licence each package says it is under, read from the package itself, as an SPDX expression where it is one.

Sources: ``License-Expression`` and classifiers of wheels (core metadata 2.4), the ``License`` fields of Debian's
copyright files (DEP-5), ``license`` of conda's ``info/index.json``. What is no SPDX identifier becomes a
``LicenseRef-``.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

import zstandard
from debian.deb822 import Deb822
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from env.formats.lock import LockedFile
from env.store.store import Store
from images.cache import Cache, key_of
from images.rootfs import debs

UNKNOWN = "NOASSERTION"
_VERSION = 2
"""Counted up when this module reads something else from the same file."""
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "LicenseRef-BSD",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zope Public License": "ZPL-2.1",
}
_DEBIAN = {
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "expat": "MIT",
    "isc": "ISC",
    "mpl-2.0": "MPL-2.0",
    "zlib": "Zlib",
}
_GNU = re.compile(r"^(?P<name>A?GPL|LGPL|GFDL)-(?P<version>\d(?:\.\d)?)(?P<later>\+?)$", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9.-]+")


def licence_of(kind: str, file: LockedFile, store: Store) -> str:
    """Return the licence of a stored package as an SPDX expression, or ``NOASSERTION``; read once for each file.

    `kind` is ``debian``, ``wheels`` or ``conda``.

    Raises:
        StoreMissError, StoreCorruptError: it is not in the store as it should be.

    """
    cache, key = Cache(store), key_of(_VERSION, kind, file.sha256)
    known = cache.get("licence", key)
    if known is None:
        path = store.verified(file.sha256, file.file)
        known = {"licence": {"debian": _of_deb, "wheels": _of_wheel, "conda": _of_conda}[kind](path)}
        cache.put("licence", key, known)
    return str(known["licence"])


def _of_wheel(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        headers = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    for text in (headers.get("License-Expression"), headers.get("License")):
        if text and (expression := spdx(text)):
            return expression
    prefix = "License :: OSI Approved :: "
    classified = [line.removeprefix(prefix) for line in headers.get_all("Classifier", []) if line.startswith(prefix)]
    return _all(_CLASSIFIERS.get(name, reference(name)) for name in classified)


def _of_conda(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.startswith("info-"))
            raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(archive.read(name)))
            with tarfile.open(fileobj=raw, mode="r|") as tar:
                text = _index(tar)
    except zipfile.BadZipFile:
        with tarfile.open(path, mode="r|bz2") as tar:
            text = _index(tar)
    return spdx(text) or (reference(text) if text else UNKNOWN)


def _index(tar: tarfile.TarFile) -> str:
    for member in tar:
        if member.name == "info/index.json" and (file := tar.extractfile(member)) is not None:
            return str(json.load(file).get("license") or "")
    return ""


def _of_deb(path: Path) -> str:
    with debs.open_member(path, "data") as tar:
        for member in tar:
            if member.name.endswith("/copyright") and member.isreg() and (file := tar.extractfile(member)) is not None:
                return dep5(file.read().decode("utf-8", "replace"))
    return UNKNOWN


def dep5(text: str) -> str:
    """Return all licences that a Debian copyright file names, as one expression; ``NOASSERTION`` for a free text."""
    # Paragraphs and fields alone: `debian.copyright` refuses files for faults of form that hide no licence.
    paragraphs = list(Deb822.iter_paragraphs(text.splitlines()))
    if not paragraphs or not paragraphs[0].keys() & {"Format", "Format-Specification"}:
        return UNKNOWN
    names = [str(one.get("License", "")).partition("\n")[0] for one in paragraphs]
    return _all(_debian(name) for line in names for name in re.split(r"\s+(?:and|or)\s+|[,|]\s*", line) if name.strip())


def _debian(name: str) -> str:
    name = name.strip()
    if match := _GNU.match(name):
        version = match["version"] if "." in match["version"] else f"{match['version']}.0"
        return f"{match['name'].upper()}-{version}-{'or-later' if match['later'] else 'only'}"
    return _DEBIAN.get(name.lower()) or spdx(name) or reference(name)


def spdx(text: str) -> str | None:
    """Return a text as a canonical SPDX expression, or None where it is none."""
    try:
        return canonicalize_license_expression(text.strip()) if len(text) < 200 else None  # noqa: PLR2004 - a whole text
    except InvalidLicenseExpression:
        return None


def reference(name: str) -> str:
    """Return the reference under which a licence without an SPDX identifier is named (SPDX 2.3, 10.1)."""
    return f"LicenseRef-{_NOT_ALLOWED.sub('-', name).strip('-.') or 'unnamed'}"


def _all(expressions: Iterable[str]) -> str:
    found = sorted({f"({one})" if " OR " in one else one for one in expressions})
    return " AND ".join(found) or UNKNOWN
