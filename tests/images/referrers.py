"""Attach a document to something in a layout, as images-spec v1.1 does: a manifest with a subject."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from images.oci.layout import MANIFEST_TYPE, Document, canonical


def attach(layout: Path, subject: str, content: bytes) -> str:
    """Attach `content` to the manifest or index of the digest `subject`; give the new manifest's digest."""
    target = (layout / "blobs" / subject.replace(":", "/")).read_bytes()
    blobs = {hashlib.sha256(blob).hexdigest(): blob for blob in (content, b"{}")}
    layer, empty = (
        {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(blob)}
        for kind, (digest, blob) in zip(
            ("application/spdx+json", "application/vnd.oci.empty.v1+json"), blobs.items(), strict=True
        )
    )
    document = Document(
        MANIFEST_TYPE,
        canonical(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "artifactType": "application/spdx+json",
                "config": empty,
                "layers": [layer],
                "subject": {
                    "mediaType": json.loads(target)["mediaType"],
                    "digest": subject,
                    "size": len(target),
                },
            }
        ),
    )
    for digest, blob in {**blobs, document.digest: document.content}.items():
        (layout / "blobs" / "sha256" / digest).write_bytes(blob)
    path = layout / "index.json"
    index = json.loads(path.read_bytes())
    index["manifests"].append(document.descriptor(artifactType="application/spdx+json"))
    # A layout of hard links: the file of another must not change.
    path.unlink()
    path.write_bytes(canonical(index))
    return f"sha256:{document.digest}"
