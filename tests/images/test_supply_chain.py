"""What an image says of its content can be checked by others, offline, and is true."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from env.formats.environments import locks_of
from env.platforms import AMD64, ARM64, PLATFORMS
from env.spec import Tree
from env.store.store import Store
from images.oci.read import blob_path, read_document, read_layout
from images.oci.verify import verify

from .conftest import images


def attached(layout: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Return the documents of a type by the digest of what they are about."""
    index = json.loads((layout / "index.json").read_bytes())
    manifests = [read_document(layout, one) for one in index["manifests"] if one.get("artifactType") == kind]
    return {one["subject"]["digest"]: read_document(layout, one["layers"][0]) for one in manifests}


def index_digest(layout: Path) -> str:
    named = json.loads((layout / "index.json").read_bytes())["manifests"][0]
    assert named["annotations"] == {"org.opencontainers.image.ref.name": "jupyter"}
    return str(named["digest"])


def test_a_bill_of_materials_lists_every_locked_package_with_its_hash(layout: Path) -> None:
    bills = attached(layout, "application/spdx+json")
    found = read_layout(layout)
    assert set(bills) == {index_digest(layout), *(image.digest for image in found.values())}
    for platform, image in found.items():
        listed = {(p["name"], p["checksums"][0]["checksumValue"]) for p in bills[image.digest]["packages"]}
        locked = {(f.name, f.sha256) for lock in locks_of("wheels", platform, Tree()).values() for f in lock.files}
        assert locked <= listed
        assert {name for name, _ in listed - locked} == {"jupyter", "jupyter-mcp-rooms"}
        licences = [package["licenseDeclared"] for package in bills[image.digest]["packages"]]
        assert licences.count("NOASSERTION") < len(licences) / 5


def test_the_bills_are_valid_spdx_and_their_names_valid_purls(layout: Path, tmp_path: Path) -> None:
    for number, bill in enumerate(attached(layout, "application/spdx+json").values()):
        path = tmp_path / f"{number}.spdx.json"
        path.write_text(json.dumps(bill))
        messages = [message.validation_message for message in validate_full_spdx_document(parse_file(str(path)))]
        assert messages == []
        for package in bill["packages"]:
            name = package["externalRefs"][0]["referenceLocator"]
            assert PackageURL.from_string(name).to_string() == name


def test_a_provenance_is_about_its_image_and_names_all_that_it_was_made_from(layout: Path) -> None:
    statements = attached(layout, "application/vnd.in-toto+json")
    found = read_layout(layout)
    assert set(statements) == {index_digest(layout), *(image.digest for image in found.values())}
    for subject, statement in statements.items():
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        assert [one["digest"]["sha256"] for one in statement["subject"]] == [subject.removeprefix("sha256:")]
    definition = statements[found[ARM64].digest]["predicate"]["buildDefinition"]
    materials = {one["name"]: one["digest"]["sha256"] for one in definition["resolvedDependencies"]}
    assert {"recipe/image.toml", "recipe/base/part.toml", "locks/wheels-linux-arm64.lock"} <= set(materials)
    assert "locks/wheels-linux-amd64.lock" not in materials


@pytest.mark.slow
def test_a_whole_layout_verifies(layout: Path) -> None:
    lines = list(verify(layout))
    assert [line.partition(" ")[0] for line in lines[1:3]] == [platform.oci for platform in PLATFORMS]
    assert lines[-1].startswith("6 documents are attached")


@pytest.mark.slow
def test_a_bill_that_hides_a_package_is_found_out(layout: Path, tmp_path: Path) -> None:
    forged = tmp_path / "layout"
    shutil.copytree(layout, forged, copy_function=lambda source, target: Path(target).symlink_to(source))
    index = json.loads((forged / "index.json").read_bytes())
    amd64 = read_layout(forged)[AMD64].digest
    for descriptor in index["manifests"]:
        manifest = read_document(forged, descriptor)
        if descriptor.get("artifactType") == "application/spdx+json" and manifest["subject"]["digest"] == amd64:
            bill = read_document(forged, manifest["layers"][0])
            bill["packages"] = [package for package in bill["packages"] if package["name"] != "numpy"]
            manifest["layers"] = [replaced(forged, bill)]
            descriptor.update(replaced(forged, manifest))
    (forged / "index.json").unlink()
    (forged / "index.json").write_text(json.dumps(index))
    run = images("verify", forged)
    assert run.returncode == 65
    assert "does not list: [('pypi', 'numpy')]" in run.stderr


def replaced(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob_path(layout, digest).write_bytes(content)
    return {"digest": digest, "size": len(content)}


def test_the_layers_are_the_golden_ones(layout: Path) -> None:
    run = images("golden", layout, "--recipe", "jupyter")
    assert run.returncode == 0, run.stderr


def test_a_difference_is_told_by_file(recipe: Path, store: Store, tmp_path: Path) -> None:
    for number in (1, 2):
        script = recipe / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello"
        script.write_text(f"#!/bin/sh\nexec sleep {number}\n")
        where = ("--store", store.root, "--env", "wheels", "--platform", "amd64")
        assert images("build", "--recipe", recipe, "--output", tmp_path / str(number), *where).returncode == 0
    run = images("diff", tmp_path / "1", tmp_path / "2")
    assert run.returncode == 1
    lines = [line for line in run.stdout.splitlines() if "  ~ " in line]
    assert len(lines) == 1
    assert "usr/local/bin/hello: content " in lines[0]
    assert images("diff", tmp_path / "1", tmp_path / "1").stdout == "linux/amd64  same digest\n"


@pytest.mark.slow
def test_what_is_large_is_listed_first(layout: Path) -> None:
    run = images("size", layout, "--platform", "amd64", "--json")
    found = json.loads(run.stdout)["linux/amd64"]
    assert found["opt/env/lib/python3.13/site-packages/pyarrow"] > 100 << 20
    text = images("size", layout, "--platform", "amd64").stdout.splitlines()
    assert "polars" in text[1]
