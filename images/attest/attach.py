"""What is attached to an image: a bill of materials and a provenance for each manifest and for the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from env.store.store import Store
from images.attest.provenance import materials_of, provenance
from images.attest.sbom import components, index_sbom, platform_sbom
from images.build.build import Build
from images.build.layers import Layer
from images.oci.layout import Document, Manifest, Referrer


def attached(
    build: Build,
    image: Document,
    manifests: Sequence[Manifest],
    layers: Mapping[str, Sequence[Layer]],
    store: Store,
) -> list[Referrer]:
    """Return what is attached to each manifest and to the index: its bill of materials and its provenance."""
    name, created = build.recipe.image.name, build.created
    parameters = {"image": name, "environment": build.environment, "compression": build.compression}
    about: list[Referrer] = []
    everything: dict[str, Any] = {}
    for one in manifests:
        locks = [lock for some in build.all_locks(one.platform).values() for lock in some]
        packages = components(layers[one.platform.oci], store)
        materials = materials_of(build.recipe, build.intake, build.tree, locks, packages)
        everything |= {material["name"]: material for material in materials}
        bill = platform_sbom(name, one, packages, created)
        statement = provenance(name, one.document, {**parameters, "platform": one.platform.oci}, materials)
        about += [Referrer.to(one.document, payload, created) for payload in (bill, statement)]
    platforms = [one.platform.oci for one in manifests]
    bill = index_sbom(name, image, manifests, created)
    merged = [everything[key] for key in sorted(everything)]
    statement = provenance(name, image, {**parameters, "platforms": platforms}, merged)
    return about + [Referrer.to(image, payload, created) for payload in (bill, statement)]
