"""Provenance: an in-toto statement v1 with SLSA's predicate v1, of inputs alone, so that it is the same bytes always.

It names no builder's machine and no time: anybody who builds from the same checkout gets the same statement, and can
compare it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from env.formats.lock import Lock
from env.formats.pixi_lock import PIXI_LOCK
from env.intake.intake import Intake
from env.spec import OWN_DEBIAN, Tree
from images.attest.sbom import Component
from images.oci.layout import INTOTO_TYPE, Document
from images.recipe.recipe import Recipe

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://github.com/jupyter-mcp/jupyter-mcp/images/build/v1"
BUILDER = "https://github.com/jupyter-mcp/jupyter-mcp/images"


def provenance(
    image: str,
    subject: Document,
    parameters: dict[str, Any],
    materials: Sequence[dict[str, Any]],
) -> Document:
    """Return the statement that `subject` was made with `parameters` from `materials`."""
    return statement({image: subject.digest}, BUILD_TYPE, BUILDER, parameters, materials)


def statement(
    subjects: Mapping[str, str],
    build_type: str,
    builder: str,
    parameters: dict[str, Any],
    materials: Sequence[dict[str, Any]],
) -> Document:
    """Return the statement about files or manifests, whose sha256 `subjects` has by name."""
    content = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": build_type,
                "externalParameters": parameters,
                "internalParameters": {},
                "resolvedDependencies": list(materials),
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }
    return Document.of(INTOTO_TYPE, content)


def materials_of(
    recipe: Recipe, intake: Intake | None, tree: Tree, locks: Iterable[Lock], packages: Iterable[Component]
) -> list[dict[str, Any]]:
    """Return what an image is made from: its recipe, the locks, and every file that they name, by sha256.

    `intake` is the lock of somebody else's project that its environment is of; `tree` is this checkout.
    """
    found = {f"recipe/{name}": digest for name, digest in _recipe_digests(recipe).items()}
    for lock in locks:
        if lock.source == OWN_DEBIAN:
            name, content = lock.file_name, (recipe.path.parent / lock.file_name).read_bytes()
        elif intake is not None and lock.command:
            name, content = intake.path.name, intake.path.read_bytes()
        elif lock.source == "conda":
            name, content = PIXI_LOCK, tree.content(PIXI_LOCK)
        else:
            name, content = lock.file_name, tree.content(tree.locks / lock.file_name)
        found[f"locks/{name}"] = hashlib.sha256(content).hexdigest()
    found |= {f"{one.kind}/{one.file.file.rpartition('/')[2]}": one.file.sha256 for one in packages}
    return [{"name": name, "digest": {"sha256": found[name]}} for name in sorted(found)]


def _recipe_digests(recipe: Recipe) -> dict[str, str]:
    files = {f"{part.name}/part.toml": part.rootfs.parent / "part.toml" for part in recipe.parts}
    for part in recipe.parts:
        own = (path for path in part.rootfs.rglob("*") if path.is_file() and not path.is_symlink())
        files |= {f"{part.name}/rootfs/{path.relative_to(part.rootfs).as_posix()}": path for path in own}
    # A project without a recipe of its own has none.
    files |= {"image.toml": recipe.path} if recipe.path.is_file() else {}
    return {name: _sha256(path) for name, path in files.items()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
