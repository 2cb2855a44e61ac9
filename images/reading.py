"""Read an OCI image layout: nothing is believed before its digest is checked, since it may come from anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import UnknownPlatformError
from env.platforms import Platform, parse_platform
from images.errors import LayoutError
from images.layout import INDEX_TYPE

DOCKER_LIST_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
"""What older tools push (distribution's image manifest, version 2, schema 2): the same documents with other types."""


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image of a layout."""

    layout: Path
    platform: Platform
    digest: str
    """Of its manifest, ``sha256:…``."""
    config: dict[str, Any]
    """The image configuration (OCI image-spec, config.md)."""
    layers: tuple[dict[str, Any], ...]
    """Descriptors of the layers, the lowest first."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, ``sha256:…``, the lowest first."""
        return tuple(self.config["rootfs"]["diff_ids"])


def read_layout(folder: Path) -> dict[Platform, PlatformImage]:
    """Give the images of a layout by platform; platforms that we have no name for are left out.

    Raises:
        LayoutError: it is not a layout, or a document in it is missing or has another digest.

    """
    if not (folder / "oci-layout").is_file():
        raise LayoutError(folder, "is not an OCI image layout")
    images = {}
    for descriptor in _manifests(folder, _json(folder, (folder / "index.json").read_bytes())):
        manifest = read_document(folder, descriptor)
        config = read_document(folder, manifest["config"])
        try:
            platform = parse_platform(f"{config['os']}/{config['architecture']}")
        except UnknownPlatformError:
            continue
        image = PlatformImage(folder, platform, descriptor["digest"], config, tuple(manifest["layers"]))
        if len(image.layers) != len(image.diff_ids):
            raise LayoutError(
                folder, f"has {len(image.layers)} layers and {len(image.diff_ids)} diff_ids for {platform}"
            )
        images[platform] = image
    return images


def _manifests(folder: Path, index: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # An index may hold others: layouts name the image in index.json, and that one names the platforms.
    for descriptor in index.get("manifests", []):
        if descriptor["mediaType"] in (INDEX_TYPE, DOCKER_LIST_TYPE):
            yield from _manifests(folder, read_document(folder, descriptor))
        elif "artifactType" not in descriptor:
            yield descriptor


def blob_path(folder: Path, digest: str) -> Path:
    """Give where a layout keeps the blob of a digest, ``sha256:…``."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):  # noqa: PLR2004 - hex digits
        raise LayoutError(folder, f"names a digest that is no sha256: {digest!r}")
    return folder / "blobs" / algorithm / value


def read_blob(folder: Path, digest: str) -> bytes:
    """Read a small blob whole.

    Raises:
        LayoutError: it is missing or has other content than its digest says.

    """
    try:
        content = blob_path(folder, digest).read_bytes()
    except FileNotFoundError:
        raise LayoutError(folder, f"lacks the blob {digest}") from None
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise LayoutError(folder, f"is damaged: the blob {digest} has other content")
    return content


def read_document(folder: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    """Read the JSON blob that a descriptor means.

    Raises:
        LayoutError: it is missing, has another digest, or is not a JSON object.

    """
    return _json(folder, read_blob(folder, descriptor["digest"]))


def _json(folder: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        raise LayoutError(folder, "holds a document that is not JSON") from None
    if not isinstance(document, dict):
        raise LayoutError(folder, "holds a document that is not an object")
    return document
