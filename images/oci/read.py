"""Read an OCI image layout: nothing is believed before its digest is checked, since it may come from anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from env.errors import UnknownPlatformError
from env.platforms import Platform, parse_platform
from images.errors import LayoutError
from images.limits import DOCUMENT, LAYERS, MANIFESTS, NESTING, plain
from images.oci.layout import CONFIG_TYPE, INDEX_TYPE

DOCKER_LIST_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
"""What older tools push (distribution's image manifest, version 2, schema 2): the same documents with other types."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image of a layout."""

    layout: Path
    platform: Platform
    digest: str
    """Of its manifest, ``sha256:…``."""
    config: dict[str, Any]
    """The image configuration (OCI image-spec, config.md), as it is written: only that it is an object is sure."""
    layers: tuple[dict[str, Any], ...]
    """Descriptors of the layers, the lowest first."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, ``sha256:…``, the lowest first."""
        return tuple(self.config["rootfs"]["diff_ids"])


def read_layout(folder: Path) -> dict[Platform, PlatformImage]:
    """Return the images of a layout by platform; platforms that we have no name for are left out.

    Raises:
        LayoutError: it is not a layout, or a document in it is missing, damaged, or not what it should be.

    """
    if not (folder / "oci-layout").is_file():
        raise LayoutError(folder, "is not an OCI image layout")
    images: dict[Platform, PlatformImage] = {}
    for descriptor in _manifests(folder, read_index(folder), set(), 0):
        if (image := _image(folder, descriptor)) is not None:
            # The first that fits, as runtimes take it.
            images.setdefault(image.platform, image)
    return images


def _image(folder: Path, descriptor: dict[str, Any]) -> PlatformImage | None:
    named = descriptor.get("platform")
    if _is_of_no_platform(named):
        return None
    manifest = read_document(folder, descriptor)
    if manifest.get("artifactType"):
        return None
    described = checked(folder, manifest.get("config"))
    if described["mediaType"] not in ("", CONFIG_TYPE, DOCKER_CONFIG_TYPE):
        return None  # a chart, a bill of materials … : no image
    config = read_document(folder, described)
    where = {**(named if isinstance(named, dict) else {}), **config}
    try:
        platform = parse_platform(f"{where.get('os')}/{where.get('architecture')}")
    except UnknownPlatformError:
        return None
    layers, diff_ids = _layers(folder, manifest, config, platform)
    if not isinstance(config.get("config") or {}, dict):
        raise LayoutError(folder, f"has a configuration for {platform} that is no object")
    if not diff_ids:
        config = {**config, "rootfs": {"type": "layers", "diff_ids": []}}
    return PlatformImage(folder, platform, descriptor["digest"], config, tuple(layers))


def _layers(
    folder: Path, manifest: dict[str, Any], config: dict[str, Any], platform: Platform
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the descriptors of the layers and the digests of what they hold, one for one."""
    layers, rootfs = manifest.get("layers") or [], config.get("rootfs")
    diff_ids = (rootfs.get("diff_ids") if isinstance(rootfs, dict) else None) or []
    if not isinstance(layers, list) or not isinstance(diff_ids, list):
        raise LayoutError(folder, f"has no list of layers for {platform}")
    if len(layers) != len(diff_ids):
        raise LayoutError(folder, f"has {len(layers)} layers and {len(diff_ids)} diff_ids for {platform}")
    if len(layers) > LAYERS:
        raise LayoutError(folder, f"has {len(layers)} layers for {platform}, and no runtime takes so many")
    if not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in diff_ids):
        raise LayoutError(folder, f"has a diff_id for {platform} that is no sha256")
    return [checked(folder, layer) for layer in layers], diff_ids


def _is_of_no_platform(named: object) -> bool:
    # BuildKit's attestations: what is about an image stands beside it under this name.
    return isinstance(named, dict) and (named.get("os"), named.get("architecture")) == ("unknown", "unknown")


def read_index(folder: Path) -> dict[str, Any]:
    """Read a layout's ``index.json``.

    Raises:
        LayoutError: it is missing, or not a JSON object.

    """
    return parsed(folder, _content(folder, folder / "index.json", "index.json"))


def _manifests(folder: Path, index: dict[str, Any], seen: set[str], depth: int) -> Iterator[dict[str, Any]]:
    # An index may hold others: layouts name the image in index.json, and that one names the platforms.
    entries = index.get("manifests") or []
    if not isinstance(entries, list):
        raise LayoutError(folder, "has an index without a list of manifests")
    for entry in entries:
        descriptor = checked(folder, entry)
        if descriptor["digest"] in seen:
            continue
        seen.add(descriptor["digest"])
        if len(seen) > MANIFESTS or depth > NESTING:
            raise LayoutError(folder, "has an index of more manifests than any that makes sense")
        if descriptor["mediaType"] in (INDEX_TYPE, DOCKER_LIST_TYPE):
            yield from _manifests(folder, read_document(folder, descriptor), seen, depth + 1)
        elif "artifactType" not in descriptor:
            yield descriptor


def entries_of(origin: object, document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the descriptors that an index lists as ``manifests``, or a manifest as ``layers``.

    Raises:
        LayoutError: one of them is none, or they are more than any that makes sense.

    """
    listed = document.get(key) or []
    if not isinstance(listed, list) or len(listed) > max(MANIFESTS, LAYERS):
        raise LayoutError(origin, f"has a list of {key} that is none, or far too long")
    return [checked(origin, one) for one in listed]


def checked(folder: object, descriptor: object) -> dict[str, Any]:
    """Return a descriptor that has the type, digest and size that one must have (OCI image-spec, descriptor.md).

    Raises:
        LayoutError: it is none.

    """
    if not isinstance(descriptor, dict):
        raise LayoutError(folder, "lacks a descriptor where one must be")
    digest, size = descriptor.get("digest"), descriptor.get("size")
    media_type = descriptor.get("mediaType") or ""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise LayoutError(folder, f"names a digest that is no sha256: {plain(digest, 100)}")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise LayoutError(folder, f"has a size for {digest} that is none")
    if not isinstance(media_type, str):
        raise LayoutError(folder, f"has a type for {digest} that is none")
    return {**descriptor, "mediaType": media_type, "size": size or 0}


def blob_path(folder: Path, digest: str) -> Path:
    """Return where a layout keeps the blob of a digest, ``sha256:…``."""
    if not _DIGEST.fullmatch(digest):
        raise LayoutError(folder, f"names a digest that is no sha256: {plain(digest, 100)}")
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def open_blob(folder: Path, digest: str, what: str = "blob") -> BinaryIO:
    """Open a blob, which must be a regular file: nobody waits for whoever writes into a pipe.

    Raises:
        LayoutError: it is missing; `what` names it in the message.

    """
    return _opened(folder, blob_path(folder, digest), f"{what} {digest}")


def _opened(folder: Path, path: Path, what: str) -> BinaryIO:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise LayoutError(folder, f"lacks the {what}") from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise LayoutError(folder, f"lacks the {what}")
    return os.fdopen(file, "rb")


def _content(folder: Path, path: Path, what: str) -> bytes:
    with _opened(folder, path, what) as file:
        content = file.read(DOCUMENT + 1)
    if len(content) > DOCUMENT:
        raise LayoutError(folder, f"has a {what} of more than {DOCUMENT >> 20} MiB, and no document is so large")
    return content


def read_blob(folder: Path, digest: str) -> bytes:
    """Read a document whole.

    Raises:
        LayoutError: it is missing, larger than any document, or has other content than its digest says.

    """
    content = _content(folder, blob_path(folder, digest), f"blob {digest}")
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise LayoutError(folder, f"is damaged: the blob {digest} has other content")
    return content


def read_document(folder: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    """Read the JSON blob that a descriptor means.

    Raises:
        LayoutError: it is missing, has another digest, or is not a JSON object.

    """
    return parsed(folder, read_blob(folder, str(descriptor.get("digest"))))


def parsed(origin: object, content: bytes) -> dict[str, Any]:
    """Return what a document holds.

    Raises:
        LayoutError: it is not a JSON object.

    """
    document = _json(origin, content)
    if not isinstance(document, dict):
        raise LayoutError(origin, "holds a document that is not an object")
    return document


def listed(origin: object, content: bytes, most: int) -> list[Any]:
    """Return the list that a document is, of at most so many things.

    Raises:
        LayoutError: it is none.

    """
    document = _json(origin, content)
    if not isinstance(document, list) or len(document) > most:
        raise LayoutError(origin, "holds a document that is not the list it must be")
    return document


def _json(origin: object, content: bytes) -> object:
    try:
        document: object = json.loads(content, parse_constant=_no_number)
        if b"\\ud" in content.lower():
            json.dumps(document, ensure_ascii=False).encode()  # halves of characters are in no UTF-8
    except (ValueError, RecursionError):
        raise LayoutError(origin, "holds a document that is not JSON") from None
    return document


def _no_number(name: str) -> float:
    raise ValueError(name)
