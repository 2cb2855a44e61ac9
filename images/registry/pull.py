"""An image out of a registry (OCI distribution-spec v1.1, pulling): nothing is used before its digest is checked.

What comes goes into the store, so that a second pull brings only what has changed, and from there into a layout.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from env.errors import UnknownPlatformError
from env.files import link_or_copy
from env.parallel import each
from env.platforms import Platform, parse_platform
from env.retry import Patience, Stopped, TryAgain
from env.store.store import CHUNK, Store
from images.errors import (
    LayoutError,
    NotInRegistryError,
    NotOfferedError,
    RegistryRefusedError,
    WrongContentError,
)
from images.limits import DOCUMENT, UNPACKED, plain
from images.oci.layout import INDEX_TYPE, MANIFEST_TYPE, Document, canonical
from images.oci.read import DOCKER_LIST_TYPE, DOCKER_MANIFEST_TYPE, blob_path, checked, entries_of, parsed
from images.registry.client import Registry
from images.registry.credentials import Credentials
from images.registry.reference import DIGEST, Reference

CONNECTIONS = 4
NAMED = 20
"""Platforms that a message names."""
INDEXES = (INDEX_TYPE, DOCKER_LIST_TYPE)
ACCEPTED = f"{INDEX_TYPE}, {MANIFEST_TYPE}, {DOCKER_LIST_TYPE}, {DOCKER_MANIFEST_TYPE}"
Begin = Callable[[int], Callable[[int], None]]
"""Told how many bytes will come; what it gives is told of those that have, negative for those that were no good."""


@dataclass(frozen=True)
class _Blob:
    digest: str
    size: int


def pull(
    reference: Reference,
    platforms: Sequence[Platform] | None,
    store: Store,
    credentials: Credentials | None,
    folder: Path,
    begin: Begin,
    *,
    layers: bool = True,
    insecure: bool = False,
) -> None:
    """Make a layout at `folder`, which is not there yet, of the images for `platforms`, or for all that are known.

    Without `layers`, it holds manifests and configurations alone: what can be read of an image without unpacking it.

    Raises:
        NotInRegistryError: there is no image of that name.
        NotOfferedError: it lacks a platform.
        ImageError: by cause.

    """
    stop = threading.Event()
    registry = Registry(reference, credentials, Patience(stop), insecure=insecure, access="pull")
    try:
        registry.open()
        manifests = _manifests(registry, platforms)
        wanted = {blob.digest: blob for document in manifests for blob in _blobs(reference, document, layers=layers)}
        missing = [blob for digest, blob in wanted.items() if digest.removeprefix("sha256:") not in store]
        advance = begin(sum(blob.size for blob in missing))
        # The largest first, so that none of them is left alone at the end.
        ordered = sorted(missing, key=lambda one: -one.size)
        with store.in_use(), store.scratch() as scratch:
            each(
                lambda blob: _bring(registry, blob, store, scratch, advance),
                ordered,
                threads=CONNECTIONS,
                stop=stop,
                wake=registry.end,
            )
    finally:
        registry.close()
    _write(folder, str(reference), manifests, list(wanted), store)


def _manifests(registry: Registry, platforms: Sequence[Platform] | None) -> list[Document]:
    reference = registry.reference
    root = _document(registry, reference.digest or reference.tag)
    if root.media_type not in INDEXES:
        return [root]
    found: dict[Platform, Document] = {}
    names: set[str] = set()
    for entry in entries_of(reference, parsed(reference, root.content), "manifests"):
        described = entry.get("platform")
        named = described if isinstance(described, dict) else {}
        name = plain(f"{named.get('os')}/{named.get('architecture')}", 60)
        names.add(name)
        try:
            platform = parse_platform(name)
        except UnknownPlatformError:
            continue  # another platform's, or what is about an image
        if platform not in found and (platforms is None or platform in platforms):
            found[platform] = _document(registry, entry["digest"])
    for platform in platforms or ():
        if platform not in found:
            raise NotOfferedError(reference, platform, sorted(names)[:NAMED])
    return list(found.values())


def _document(registry: Registry, name: str) -> Document:
    reference = registry.reference
    accepted = [HTTPStatus.OK, HTTPStatus.NOT_FOUND]
    response = registry.request("GET", f"manifests/{name}", expected=accepted, headers={"Accept": ACCEPTED})
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise NotInRegistryError(reference)
    try:
        content = parsed(reference, response.content)
    except LayoutError:
        raise RegistryRefusedError(reference.registry, "GET of manifests", "what is no manifest") from None
    media_type = content.get("mediaType") or response.headers.get("Content-Type", "").partition(";")[0]
    if media_type not in (*INDEXES, MANIFEST_TYPE, DOCKER_MANIFEST_TYPE):
        raise RegistryRefusedError(reference.registry, "GET of manifests", f"the type {plain(media_type, 100)!r}")
    document = Document(media_type, response.content)
    if DIGEST.fullmatch(name) and name != f"sha256:{document.digest}":
        raise WrongContentError(reference, name)
    return document


def _blobs(reference: Reference, document: Document, *, layers: bool) -> list[_Blob]:
    manifest = parsed(reference, document.content)
    config = checked(reference, manifest.get("config"))
    described = [config, *(entries_of(reference, manifest, "layers") if layers else ())]
    if config["size"] > DOCUMENT or sum(one["size"] for one in described) > UNPACKED:
        raise LayoutError(reference, "has a manifest with sizes that no image has")
    return [_Blob(one["digest"], one["size"]) for one in described]


def _bring(registry: Registry, blob: _Blob, store: Store, scratch: Path, advance: Callable[[int], None]) -> None:
    with store.writer(scratch) as file:
        registry.patience.keep_trying(lambda: _receive(registry, blob, file, advance), file.tell)
        file.flush()
        store.adopt(Path(file.name), blob.digest.removeprefix("sha256:"))


def _receive(registry: Registry, blob: _Blob, file: BinaryIO, advance: Callable[[int], None]) -> None:
    offset = file.tell()
    # The bytes as they are stored: a content coding would make ranges and digests those of something else.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    expected = [HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT]
    with registry.download(f"blobs/{blob.digest}", expected=expected, headers=headers) as response:
        if offset and response.status_code == HTTPStatus.OK:
            _discard(file, advance)
        for chunk in response.iter_raw():
            if registry.patience.stop.is_set():
                raise Stopped
            if file.tell() + len(chunk) > blob.size:
                # Not one byte more than the manifest promises, whatever comes.
                _discard(file, advance)
                raise WrongContentError(registry.reference, blob.digest)
            file.write(chunk)
            advance(len(chunk))
    file.seek(0)
    actual = hashlib.sha256()
    for piece in iter(lambda: file.read(CHUNK), b""):
        actual.update(piece)
    if f"sha256:{actual.hexdigest()}" != blob.digest:
        _discard(file, advance)
        raise TryAgain(WrongContentError(registry.reference, blob.digest))


def _discard(file: BinaryIO, advance: Callable[[int], None]) -> None:
    advance(-file.seek(0, os.SEEK_END))
    file.seek(0)
    file.truncate()


def _write(folder: Path, name: str, manifests: Sequence[Document], blobs: Sequence[str], store: Store) -> None:
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for document in manifests:
        blob_path(folder, f"sha256:{document.digest}").write_bytes(document.content)
    held = {f"sha256:{document.digest}" for document in manifests}
    for digest in (one for one in blobs if one not in held):
        link_or_copy(store.path(digest.removeprefix("sha256:")), blob_path(folder, digest))
    entries: list[dict[str, Any]] = [
        document.descriptor(annotations={"org.opencontainers.image.ref.name": name}) for document in manifests
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    (folder / "index.json").write_bytes(canonical(index))
    (folder / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
