"""What accompanies the wheel and the sdist: a bill of materials (SPDX 2.3) and a provenance (in-toto, SLSA v1).

Both are functions of the commit, as the images' are: no machine, no time of a build. Who vouches for them is said by
the signatures that publishing adds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.requirements import Requirement

from env.spec import DISTRIBUTION, PYPROJECT, Tree
from images.attest.provenance import statement
from images.oci.layout import SPDX_TYPE, Document
from release.checkout import Checkout

BUILDER = "https://github.com/jupyter-mcp/jupyter-mcp/release"
"""The name of who builds, as that of the images is in images/attest/provenance.py; no page has to be there."""
BUILD_TYPE = f"{BUILDER}/build/v1"
TOOL = "Tool: jupyter-mcp-release"
BUILT_WITH = "env/locks/tools.txt"
"""The lock that hatchling comes from."""
_UNKNOWN = "NOASSERTION"


def digests(files: list[Path]) -> dict[str, str]:
    """Return the sha256 of files by their names."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def provenance(checkout: Checkout, subjects: Mapping[str, str]) -> Document:
    """Return the statement that the files were built from the commit, with the locked tools; `subjects` by name."""
    lock = (checkout.root / BUILT_WITH).read_bytes()
    materials: list[dict[str, Any]] = [{"name": BUILT_WITH, "digest": {"sha256": hashlib.sha256(lock).hexdigest()}}]
    if checkout.commit:
        materials.insert(0, {"name": "commit", "digest": {"gitCommit": checkout.commit}})
    return statement(subjects, BUILD_TYPE, BUILDER, {"SOURCE_DATE_EPOCH": str(checkout.epoch)}, materials)


def bill(checkout: Checkout, version: str, subjects: Mapping[str, str]) -> Document:
    """Return the bill of the distribution: its files, and what it requires, in the versions that it allows."""
    project = Tree(checkout.root).toml(PYPROJECT)["project"]
    files = [_file(name, digest, version, str(project["license"])) for name, digest in sorted(subjects.items())]
    required = [_required(Requirement(line)) for line in sorted(project["dependencies"])]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", file["SPDXID"]) for file in files]
    relations += [_relation(file["SPDXID"], "DEPENDS_ON", one["SPDXID"]) for file in files for one in required]
    together = hashlib.sha256("".join(sorted(subjects.values())).encode()).hexdigest()
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{DISTRIBUTION} {version}",
        # Unique by what it describes, so that the same files have the same bill (SPDX 2.3, 6.5).
        "documentNamespace": f"https://spdx.org/spdxdocs/jupyter-mcp/sha256-{together}",
        "creationInfo": {"created": f"{datetime.fromtimestamp(checkout.epoch, UTC):%FT%TZ}", "creators": [TOOL]},
        "packages": [*files, *required],
        "relationships": relations,
    }
    return Document.of(SPDX_TYPE, content)


def _file(name: str, digest: str, version: str, licence: str) -> dict[str, Any]:
    return {
        **_package(f"SPDXRef-{'wheel' if name.endswith('.whl') else 'sdist'}", DISTRIBUTION),
        "versionInfo": version,
        "packageFileName": name,
        "licenseDeclared": licence,
        "supplier": "Organization: The project's developers",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "externalRefs": [_purl(PackageURL("pypi", None, DISTRIBUTION, version, {"file_name": name}))],
    }


def _required(requirement: Requirement) -> dict[str, Any]:
    # Which version it will be is for the installer to say.
    return {
        **_package(f"SPDXRef-requires-{re.sub(r'[^A-Za-z0-9.-]', '-', requirement.name)}", requirement.name),
        "comment": f"any version {requirement.specifier}" if requirement.specifier else "any version",
        "externalRefs": [_purl(PackageURL("pypi", None, requirement.name))],
    }


def _package(identifier: str, name: str) -> dict[str, Any]:
    return {
        "SPDXID": identifier,
        "name": name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _purl(locator: PackageURL) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator.to_string()}


def _relation(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}
