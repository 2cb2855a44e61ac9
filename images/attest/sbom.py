"""Software bills of materials: SPDX 2.3 as canonical JSON, one a platform and one for the index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packageurl import PackageURL

from env.formats.lock import LockedFile
from env.platforms import Platform
from env.store.store import Store
from images.attest.licences import UNKNOWN, licence_of
from images.build.layers import Layer
from images.oci.layout import SPDX_TYPE, Document, Manifest

TOOL = "Tool: jupyter-mcp-images"
SUITE = "trixie"
_KINDS = {"debian": "debian", "wheels": "wheels", "conda": "conda"}


@dataclass(frozen=True)
class Component:
    """One package of an image."""

    kind: str
    """``debian``, ``wheels`` or ``conda``."""
    file: LockedFile
    licence: str
    """An SPDX expression or ``NOASSERTION``."""


def components(layers: Iterable[Layer], store: Store) -> list[Component]:
    """Return the packages of some layers, each once, sorted."""
    found = {
        (layer.plan.kind, file.name, file.sha256): Component(
            layer.plan.kind, file, licence_of(layer.plan.kind, file, store)
        )
        for layer in layers
        if layer.plan.kind in _KINDS
        for file in layer.plan.packages
    }
    return [found[key] for key in sorted(found)]


def platform_sbom(image: str, manifest: Manifest, packages: Sequence[Component], created: str) -> Document:
    """Return the bill of one platform's image, which contains `packages`; `created` is RFC 3339."""
    own = _image_package(image, manifest.document, manifest.platform)
    listed = _unique([_package(one, manifest.platform) for one in packages])
    licences = sorted({word for one in packages for word in re.findall(r"LicenseRef-[\w.-]+", one.licence)})
    return _document(
        f"{image} for {manifest.platform}",
        manifest.document,
        created,
        [own, *listed],
        [_relation("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
        + [_relation(own["SPDXID"], "CONTAINS", package["SPDXID"]) for package in listed],
        {
            "hasExtractedLicensingInfos": [
                {
                    "licenseId": licence,
                    "extractedText": "As the package's own files say.",
                    "name": licence.removeprefix("LicenseRef-"),
                }
                for licence in licences
            ]
        },
    )


def index_sbom(image: str, index: Document, manifests: Sequence[Manifest], created: str) -> Document:
    """Return the bill of the index: the images of the platforms as its variants, each with a bill of its own."""
    own = _image_package(image, index, None)
    variants = [_image_package(image, one.document, one.platform) for one in manifests]
    return _document(
        image,
        index,
        created,
        [own, *variants],
        [_relation("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
        + [_relation(variant["SPDXID"], "VARIANT_OF", own["SPDXID"]) for variant in variants],
        {},
    )


def _document(
    name: str,
    subject: Document,
    created: str,
    packages: list[dict[str, Any]],
    relations: list[dict[str, str]],
    more: Mapping[str, Any],
) -> Document:
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        # Unique by what it describes, so that the same image has the same bill (SPDX 2.3, 6.5).
        "documentNamespace": f"https://spdx.org/spdxdocs/jupyter-mcp/sha256-{subject.digest}",
        "creationInfo": {"created": created, "creators": [TOOL]},
        "packages": packages,
        "relationships": relations,
        **more,
    }
    return Document.of(SPDX_TYPE, content)


def _image_package(image: str, document: Document, platform: Platform | None) -> dict[str, Any]:
    qualifiers = {} if platform is None else {"arch": platform.architecture, "os": "linux"}
    return {
        "SPDXID": f"SPDXRef-Image-{'index' if platform is None else platform.slug}",
        "name": image,
        "versionInfo": f"sha256:{document.digest}",
        "primaryPackagePurpose": "CONTAINER",
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
        "checksums": [{"algorithm": "SHA256", "checksumValue": document.digest}],
        "externalRefs": [_purl(PackageURL("oci", None, image, f"sha256:{document.digest}", qualifiers))],
    }


def _unique(packages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return packages with identifiers that are each one's own: several environments may have several versions."""
    counts = Counter(package["SPDXID"] for package in packages)
    return [
        {**one, "SPDXID": f"{one['SPDXID']}-{one['checksums'][0]['checksumValue'][:12]}"}
        if counts[one["SPDXID"]] > 1
        else one
        for one in packages
    ]


def _package(one: Component, platform: Platform) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9.-]", "-", one.file.name)
    return {
        "SPDXID": f"SPDXRef-{one.kind}-{name}",
        "name": one.file.name,
        "versionInfo": one.file.version.partition(" ")[0],
        "packageFileName": one.file.file.rpartition("/")[2],
        # Locks name no registry, so neither does the bill.
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": one.licence,
        "copyrightText": UNKNOWN,
        "checksums": [{"algorithm": "SHA256", "checksumValue": one.file.sha256}],
        "externalRefs": [_purl(purl_of(one.kind, one.file, platform))],
    }


def purl_of(kind: str, file: LockedFile, platform: Platform) -> PackageURL:
    """Return the package URL of a locked file, the one name that scanners know it by (purl-spec).

    `kind` is ``debian``, ``wheels`` or ``conda``.
    """
    match kind:
        case "debian":
            architecture = "all" if file.file.endswith("_all.deb") else platform.debian
            return PackageURL("deb", "debian", file.name, file.version, {"arch": architecture, "distro": SUITE})
        case "conda":
            version, _, build = file.version.partition(" ")
            subdir, suffix = file.file.partition("/")[0], "conda" if file.file.endswith(".conda") else "tar.bz2"
            return PackageURL("conda", None, file.name, version, {"build": build, "subdir": subdir, "type": suffix})
        case _:
            return PackageURL("pypi", None, file.name, file.version, {"file_name": file.file})


def _purl(locator: PackageURL) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": locator.to_string(),
    }


def _relation(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}
