"""What a layout holds and in which order it is carried elsewhere: blobs, then manifests, then the index, then the name.

OCI image-spec v1.1, image-layout.md: ``index.json`` names the image, and beside it the documents about it (software
bills of materials, provenance, signatures), manifests with a `subject`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.platforms import Platform
from images.errors import LayoutError, NotOfferedError
from images.limits import plain
from images.oci.layout import INDEX_TYPE, MANIFEST_TYPE, Document, canonical
from images.oci.read import (
    DOCKER_LIST_TYPE,
    DOCKER_MANIFEST_TYPE,
    blob_path,
    checked,
    entries_of,
    parsed,
    read_blob,
    read_index,
    read_layout,
)

INDEXES = (INDEX_TYPE, DOCKER_LIST_TYPE)
MANIFESTS = (MANIFEST_TYPE, DOCKER_MANIFEST_TYPE)
NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Part:
    """A blob that is carried as it is: a layer or a config."""

    digest: str
    """``sha256:…``"""
    size: int
    """Bytes."""
    path: Path


@dataclass(frozen=True)
class Referrer:
    """A manifest about another one."""

    document: Document
    subject: str
    """The digest of what it is about, ``sha256:…``."""


@dataclass(frozen=True)
class Contents:
    """An image with everything that belongs to it, in the order in which a reader never meets a loose end."""

    layout: Path
    name: str
    """What ``index.json`` calls it."""
    parts: tuple[Part, ...]
    """Every blob that is no manifest, each once."""
    manifests: tuple[Document, ...]
    """The manifests below the root, the deepest first."""
    root: Document
    """The index, or the one manifest of a layout without."""
    referrers: tuple[Referrer, ...]
    platforms: tuple[Platform, ...]
    entries: tuple[dict[str, Any], ...]
    """The descriptors of ``index.json``: the root's, and those of what is about it."""

    @property
    def index(self) -> bytes:
        """Return the layout's ``index.json``."""
        return canonical({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(self.entries)})

    @property
    def size(self) -> int:
        """Bytes of the blobs."""
        return sum(part.size for part in self.parts)


def described(document: Document) -> dict[str, Any]:
    """Return the descriptor of a referrer as lists of them hold it (distribution-spec v1.1, listing referrers)."""
    manifest = parsed("a referrer", document.content)
    config = manifest.get("config")
    kind = config.get("mediaType") if isinstance(config, dict) else None
    extra = {"artifactType": manifest.get("artifactType") or kind}
    if annotations := manifest.get("annotations"):
        extra["annotations"] = annotations
    return document.descriptor(**{key: value for key, value in extra.items() if value})


def read_contents(folder: Path, platforms: Sequence[Platform] | None = None, *, referrers: bool = True) -> Contents:
    """Read what a layout holds; with `platforms`, an index of those alone and what is about them.

    Without `referrers`, what is about the image is left out.

    Raises:
        LayoutError: it is not a layout of one image, or lacks something.
        NotOfferedError: it has no image for one of the platforms.

    """
    images = read_layout(folder)
    entries = entries_of(folder, read_index(folder), "manifests")
    documents = [(entry, _document(folder, entry)) for entry in entries]
    roots = [(entry, document) for entry, document in documents if _subject(folder, document) is None]
    if len(roots) != 1:
        raise LayoutError(folder, f"holds {len(roots)} images, and one is needed")
    entry, root = roots[0]
    if platforms is not None:
        for platform in platforms:
            if platform not in images:
                raise NotOfferedError(folder, platform, [str(one) for one in images])
        root = _narrowed(folder, root, {images[platform].digest for platform in platforms})
    below = list(_below(folder, root, set()))
    annotations = entry.get("annotations")
    name = annotations.get(NAME) if isinstance(annotations, dict) else None
    kept = [*below, root]
    about = _about(folder, kept, [document for _, document in documents]) if referrers else []
    parts = {
        part.digest: part for document in (*kept, *(one.document for one in about)) for part in _parts(folder, document)
    }
    attached = {referrer.document for referrer in about}
    held = {f"sha256:{document.digest}" for document in kept}
    return Contents(
        layout=folder,
        name=plain(name) if isinstance(name, str) and name else folder.name,
        parts=tuple(sorted(parts.values(), key=lambda part: part.digest)),
        manifests=tuple({document.digest: document for document in below}.values()),
        root=root,
        referrers=tuple(about),
        platforms=tuple(platform for platform, image in images.items() if image.digest in held),
        entries=({**entry, **root.descriptor()}, *(one for one, document in documents if document in attached)),
    )


def _document(folder: Path, descriptor: dict[str, Any]) -> Document:
    content = read_blob(folder, descriptor["digest"])
    # It may be left out in either place.
    media_type = descriptor["mediaType"] or parsed(folder, content).get("mediaType")
    if not isinstance(media_type, str) or media_type not in (*INDEXES, *MANIFESTS):
        raise LayoutError(folder, f"holds a manifest of the type {plain(media_type, 100)!r}")
    return Document(media_type, content)


def _subject(folder: Path, document: Document) -> str | None:
    subject = parsed(folder, document.content).get("subject")
    return None if subject is None else str(checked(folder, subject)["digest"])


def _narrowed(folder: Path, root: Document, wanted: set[str]) -> Document:
    if root.media_type not in INDEXES:
        return root
    index = parsed(folder, root.content)
    kept = [entry for entry in index.get("manifests") or [] if checked(folder, entry)["digest"] in wanted]
    # The index that lists the same stays the same, to the byte: its digest is what people know the image by.
    return root if kept == index.get("manifests") else Document.of(root.media_type, {**index, "manifests": kept})


def _below(folder: Path, document: Document, seen: set[str]) -> Iterator[Document]:
    if document.media_type not in INDEXES:
        return
    for entry in entries_of(folder, parsed(folder, document.content), "manifests"):
        if entry["digest"] not in seen:
            seen.add(entry["digest"])
            child = _document(folder, entry)
            yield from _below(folder, child, seen)
            yield child


def _about(folder: Path, kept: Iterable[Document], others: Iterable[Document]) -> list[Referrer]:
    # A signature may be about a bill of materials, which is about a manifest.
    known = {f"sha256:{document.digest}" for document in kept}
    found: list[Referrer] = []
    waiting = [(document, subject) for document in others if (subject := _subject(folder, document)) is not None]
    while ready := [(document, subject) for document, subject in waiting if subject in known]:
        found.extend(Referrer(document, subject) for document, subject in ready)
        known |= {f"sha256:{document.digest}" for document, _ in ready}
        waiting = [one for one in waiting if one not in ready]
    return found


def _parts(folder: Path, document: Document) -> Iterator[Part]:
    if document.media_type not in MANIFESTS:
        return
    manifest = parsed(folder, document.content)
    for entry in (checked(folder, manifest.get("config")), *entries_of(folder, manifest, "layers")):
        path = blob_path(folder, entry["digest"])
        if not path.is_file() or path.stat().st_size != entry["size"]:
            raise LayoutError(folder, f"lacks the blob {entry['digest']}")
        yield Part(entry["digest"], entry["size"], path)
