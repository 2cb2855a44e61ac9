"""Check a layout against itself, offline: every digest, and that its bills of materials list just what is in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from images.errors import LayoutError
from images.oci.layout import INTOTO_TYPE, SPDX_TYPE
from images.oci.read import PlatformImage, blob_path, read_document, read_layout
from images.oci.unpack import members

_DIST_INFO = re.compile(r"^opt/(?:env|envs/[^/]+)/lib/python3\.\d+/site-packages/[^/]+\.dist-info/METADATA$")
_DPKG = re.compile(r"^var/lib/dpkg/status\.d/(?P<name>[^/]+)$")
_CONDA = re.compile(r"^(?P<prefix>opt/(?:env|envs/[^/]+))/conda-meta/(?P<name>.+)-[^-]+-[^-]+\.json$")

Package = tuple[str, str]
"""Kind and name."""


def verify(layout: Path) -> Iterator[str]:
    """Check a layout; give a line for each thing that was found in order.

    Raises:
        LayoutError: the first thing that is not in order.

    """
    images = read_layout(layout)
    if not images:
        raise LayoutError(layout, "holds no image")
    blobs = _blobs(layout)
    yield f"{len(blobs)} blobs have the content that their names say"
    found: dict[str, set[Package]] = {}
    for platform, image in images.items():
        found[image.digest] = _packages(image)
        yield f"{platform}  {len(image.layers)} layers unpack to their diff_ids, {len(found[image.digest])} packages"
    yield from _referrers(layout, found)


def _blobs(layout: Path) -> list[Path]:
    paths = sorted((layout / "blobs" / "sha256").iterdir())
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != path.name:
            raise LayoutError(layout, f"is damaged: the blob {path.name} has other content")
    return paths


def _packages(image: PlatformImage) -> set[Package]:
    """Return the packages that an image says it holds, by the records that each kind of package leaves in it."""
    found: set[Package] = set()
    distributions: set[str] = set()
    of_conda: set[str] = set()
    for tar, member in members(image):
        if match := _DPKG.match(member.name):
            found.add(("deb", match["name"]))
        elif match := _CONDA.match(member.name):
            found.add(("conda", match["name"]))
            file = tar.extractfile(member)
            record: dict[str, Any] = json.load(file) if file is not None else {}
            of_conda |= {f"{match['prefix']}/{path}" for path in record.get("files", [])}
        elif _DIST_INFO.match(member.name):
            distributions.add(member.name)
    # A Python distribution that a conda package brought is that package's.
    return found | {("pypi", canonicalize_name(_dist_name(path))) for path in distributions - of_conda}


def _dist_name(path: str) -> str:
    return path.split("/")[-2].removesuffix(".dist-info").rpartition("-")[0]


def _referrers(layout: Path, found: dict[str, set[Package]]) -> Iterator[str]:
    index = json.loads((layout / "index.json").read_bytes())
    attached = [one for one in index["manifests"] if "artifactType" in one]
    for descriptor in attached:
        manifest = read_document(layout, descriptor)
        subject = manifest["subject"]["digest"]
        if not blob_path(layout, subject).is_file():
            raise LayoutError(layout, f"has something attached to {subject}, which it lacks")
        payload = read_document(layout, manifest["layers"][0])
        if manifest["artifactType"] == SPDX_TYPE and subject in found:
            _compare(layout, found[subject], payload)
        if manifest["artifactType"] == INTOTO_TYPE:
            subjects = {f"sha256:{one['digest']['sha256']}" for one in payload["subject"]}
            if subject not in subjects:
                raise LayoutError(layout, f"has a provenance that is not about {subject}")
    kinds = sorted({one["artifactType"] for one in attached})
    yield f"{len(attached)} documents are attached to what they are about: {', '.join(kinds) or 'none'}"


def _compare(layout: Path, found: set[Package], bill: dict[str, Any]) -> None:
    listed: set[Package] = set()
    for package in bill["packages"]:
        for reference in package.get("externalRefs", []):
            kind, _, rest = reference["referenceLocator"].removeprefix("pkg:").partition("/")
            if kind != "oci":
                listed.add((kind, rest.partition("@")[0].removeprefix("debian/").replace("%2B", "+")))
    lacking, surplus = sorted(found - listed), sorted(listed - found)
    if lacking:
        raise LayoutError(layout, f"holds packages that its bill of materials does not list: {lacking[:5]}")
    if surplus:
        raise LayoutError(layout, f"has a bill of materials that lists packages it does not hold: {surplus[:5]}")
