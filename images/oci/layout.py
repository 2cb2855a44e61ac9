"""The OCI image layout on disk (OCI image-spec v1.1, image-layout.md): written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import link_or_copy
from env.platforms import Platform
from env.store.store import Store
from images.errors import OutputInUseError
from images.oci.replace_folder import replacing
from images.oci.tarball import Blob

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
SPDX_TYPE = "application/spdx+json"
INTOTO_TYPE = "application/vnd.in-toto+json"


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a document as canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Document:
    """A JSON blob of a layout."""

    media_type: str
    content: bytes

    @classmethod
    def of(cls, media_type: str, content: Mapping[str, Any]) -> Document:
        """Make one of canonical JSON."""
        return cls(media_type, canonical(content))

    @property
    def digest(self) -> str:
        """sha256 hex."""
        return hashlib.sha256(self.content).hexdigest()

    def descriptor(self, **extra: object) -> dict[str, Any]:
        """Describe it as manifests and indexes do (descriptor.md)."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.digest}", "size": len(self.content), **extra}


EMPTY = Document("application/vnd.oci.empty.v1+json", b"{}")
"""The config of a manifest that is no image (manifest.md, guidance for an empty descriptor)."""


@dataclass(frozen=True)
class Manifest:
    """One platform's image."""

    platform: Platform
    config: Document
    document: Document
    layers: tuple[Blob, ...]

    @property
    def size(self) -> int:
        """Compressed bytes of the layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def unpacked(self) -> int:
        """Uncompressed bytes of the layers."""
        return sum(layer.unpacked for layer in self.layers)


def manifest(
    platform: Platform, config: Mapping[str, Any], layers: Iterable[Blob], notes: Mapping[str, str]
) -> Manifest:
    """Make the config and manifest of one platform; `config` lacks only the layers, `notes` are its annotations."""
    blobs = tuple(layers)
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{blob.diff_id}" for blob in blobs]}
    config_document = Document(CONFIG_TYPE, canonical({**config, "rootfs": rootfs}))
    described = [{"mediaType": blob.media_type, "digest": f"sha256:{blob.digest}", "size": blob.size} for blob in blobs]
    document = Document(
        MANIFEST_TYPE,
        canonical(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": config_document.descriptor(),
                "layers": described,
                "annotations": dict(notes),
            }
        ),
    )
    return Manifest(platform, config_document, document, blobs)


def index(manifests: Iterable[Manifest], notes: Mapping[str, str]) -> Document:
    """Make the image index: a manifest per platform."""
    entries = [
        one.document.descriptor(platform={"os": "linux", "architecture": one.platform.architecture})
        for one in manifests
    ]
    content = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries, "annotations": dict(notes)}
    return Document(INDEX_TYPE, canonical(content))


@dataclass(frozen=True)
class Referrer:
    """A document about an image, attached to it: an artifact whose manifest names its subject (manifest.md)."""

    manifest: Document
    payload: Document
    artifact_type: str

    @classmethod
    def to(cls, subject: Document, payload: Document, created: str) -> Referrer:
        """Attach `payload` to `subject`, an image manifest or index; its media type becomes the artifact's type."""
        content = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": payload.media_type,
            "config": EMPTY.descriptor(),
            "layers": [payload.descriptor()],
            "subject": subject.descriptor(),
            "annotations": {"org.opencontainers.image.created": created},
        }
        return cls(Document.of(MANIFEST_TYPE, content), payload, payload.media_type)


def write_layout(
    folder: Path,
    name: str,
    image: Document,
    manifests: Iterable[Manifest],
    referrers: Sequence[Referrer],
    store: Store,
) -> None:
    """Put a layout at `folder`, replacing the one that is there in one step.

    Its index.json names the image by `name`, and the referrers without one.

    Raises:
        OutputInUseError: `folder` is something else than a layout.
        StoreMissError, StoreCorruptError: a layer's blob is not in the store as it should be.

    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "oci-layout").is_file():
        raise OutputInUseError(folder)
    with replacing(folder) as stage:
        blobs = stage / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for one in manifests:
            for document in (one.config, one.document):
                (blobs / document.digest).write_bytes(document.content)
            for layer in one.layers:
                if not (blobs / layer.digest).exists():
                    link_or_copy(store.verified(layer.digest, "layer"), blobs / layer.digest)
        for document in (image, EMPTY, *(one for two in referrers for one in (two.manifest, two.payload))):
            (blobs / document.digest).write_bytes(document.content)
        entries = [image.descriptor(annotations={"org.opencontainers.image.ref.name": name})]
        entries += [one.manifest.descriptor(artifactType=one.artifact_type) for one in referrers]
        entry = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        (stage / "index.json").write_bytes(canonical(entry))
        (stage / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
