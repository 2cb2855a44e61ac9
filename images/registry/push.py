"""An image into a registry: what it lacks, in an order that never leaves a name that leads nowhere.

Blobs first, then the manifests, the index, what is about them (referrers), signatures, and the tag at the end. A push
that is interrupted leaves the tag as it was; the next one finds what has arrived.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from env.parallel import each
from env.retry import Patience
from env.store.store import Store
from images.cache import Cache, key_of
from images.errors import RegistryRefusedError
from images.limits import plain
from images.oci.contents import INDEXES, Contents, Part, Referrer, described
from images.oci.layout import INDEX_TYPE, Document, canonical
from images.oci.read import entries_of, parsed
from images.registry.client import Registry
from images.registry.credentials import Credentials
from images.registry.reference import Reference
from images.registry.upload import Outcome, Uploader

CONNECTIONS = 4
MOUNT_SOURCES = 3
"""How many repositories are remembered of a blob: a registry is asked about each."""


@dataclass(frozen=True)
class Pushed:
    """What a push came to."""

    blobs: Counter[Outcome]
    bytes_sent: int
    referrers: int


def push(
    contents: Contents,
    reference: Reference,
    store: Store,
    credentials: Credentials | None,
    advance: Callable[[int], None],
    *,
    insecure: bool = False,
    sign: Callable[[Sequence[str]], None] | None = None,
) -> Pushed:
    """Put an image and everything about it into a registry; `advance` is told of bytes, negative for those sent anew.

    `sign` is given the references by digest of each manifest and, last, of the index; the tag comes after it.

    Where blobs went is remembered beside the `store`, so that a registry can mount them from there.

    Raises:
        ImageError: by cause; the tag is as it was.

    """
    places = _Places(store, reference)
    sources = {part.digest: places.of(part) for part in contents.parts}
    stop = threading.Event()
    wanted = sorted({source for known in sources.values() for source in known})
    registry = Registry(reference, credentials, Patience(stop), insecure=insecure, sources=wanted)
    try:
        registry.open()
        outcomes = _put_blobs(contents, sources, registry, Uploader(registry, stop, advance), stop)
        for document in (*contents.manifests, contents.root):
            _put_manifest(registry, document, f"sha256:{document.digest}")
        for referrer in contents.referrers:
            if not _put_manifest(registry, referrer.document, f"sha256:{referrer.document.digest}", again=True):
                _list_referrer(registry, referrer)
        if sign is not None:
            sign([reference.by_digest(one.digest) for one in (*contents.manifests, contents.root)])
        _put_manifest(registry, contents.root, reference.tag, again=True)
    finally:
        stop.set()
        registry.close()
    for part in contents.parts:
        places.remember(part)
    sent = sum(part.size for part in contents.parts if outcomes[part.digest] == "uploaded")
    return Pushed(Counter(outcomes.values()), sent, len(contents.referrers))


def _put_blobs(
    contents: Contents, sources: dict[str, list[str]], registry: Registry, uploader: Uploader, stop: threading.Event
) -> dict[str, Outcome]:
    # The largest first, so that none of them is left alone at the end.
    parts = sorted(contents.parts, key=lambda part: -part.size)

    def put(part: Part) -> Outcome:
        return uploader.put(part, sources[part.digest])

    outcomes = each(put, parts, threads=CONNECTIONS, stop=stop, wake=registry.end)
    return {part.digest: outcome for part, outcome in zip(parts, outcomes, strict=True)}


def _put_manifest(registry: Registry, document: Document, name: str, *, again: bool = False) -> bool:
    """Put a manifest unless it is there; with `again` in any case. True if the registry lists it as a referrer."""
    digest = f"sha256:{document.digest}"
    address = f"manifests/{name}"
    if not again:
        kinds = {"Accept": document.media_type}
        there = registry.request("HEAD", address, expected=[200, 404], headers=kinds)
        if there.status_code == HTTPStatus.OK and there.headers.get("Docker-Content-Digest") == digest:
            return True
    headers = {"Content-Type": document.media_type}
    response = registry.request("PUT", address, expected=[201], body=document.content, headers=headers)
    told = response.headers.get("Docker-Content-Digest", digest)
    if told != digest:
        raise RegistryRefusedError(
            registry.reference.registry, f"the manifest {digest}", f"with another digest, {plain(told, 100)}"
        )
    return "OCI-Subject" in response.headers


def _list_referrer(registry: Registry, referrer: Referrer) -> None:
    """Add to the list of referrers by hand, for a registry without the referrers API (the referrers tag schema)."""
    address = f"manifests/{referrer.subject.replace(':', '-')}"
    response = registry.request("GET", address, expected=[200, 404], headers={"Accept": INDEX_TYPE})
    place = registry.reference
    found = parsed(place, response.content) if response.status_code == HTTPStatus.OK else {}
    listed = entries_of(place, found, "manifests")
    entry = described(referrer.document)
    if all(one["digest"] != entry["digest"] for one in listed):
        content = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*listed, entry]}
        body, headers = canonical(content), {"Content-Type": INDEX_TYPE}
        registry.request("PUT", address, expected=[201], body=body, headers=headers)


class _Places:
    """Which repositories of a registry a blob was pushed to from here."""

    def __init__(self, store: Store, reference: Reference) -> None:
        self._cache = Cache(store)
        self._reference = reference

    def of(self, part: Part) -> list[str]:
        record = self._cache.get("pushed", self._key(part)) or {}
        return [place for place in record.get("repositories", []) if place != self._reference.repository]

    def remember(self, part: Part) -> None:
        places = [self._reference.repository, *self.of(part)][:MOUNT_SOURCES]
        self._cache.put("pushed", self._key(part), {"repositories": places})

    def _key(self, part: Part) -> str:
        return key_of(self._reference.registry, part.digest)


def listed(contents: Contents) -> list[dict[str, str]]:
    """Return the manifests of the platforms, for a program to read."""
    if contents.root.media_type not in INDEXES:
        return []
    entries = entries_of(contents.layout, parsed(contents.layout, contents.root.content), "manifests")
    return [
        {"platform": f"{platform.get('os')}/{platform.get('architecture')}", "digest": entry["digest"]}
        for entry in entries
        if isinstance(platform := entry.get("platform"), dict)
    ]
