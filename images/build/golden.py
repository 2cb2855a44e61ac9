"""The diff_ids that a recipe's layers are expected to have, committed beside it: what "the same bytes" is held to.

Diff_ids are the contract, since compressors change with their versions. The project's own wheel is left out: it changes
with every line of its source, and no lock names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from env.files import write_atomically
from env.platforms import Platform
from env.spec import DISTRIBUTION
from images.build.config import CREATED_BY, ENVIRONMENT_LABEL
from images.oci.read import PlatformImage

PROJECT = DISTRIBUTION
"""The layer of the project's own wheel."""

DiffIds = dict[str, dict[str, str]]
"""``sha256:…`` by platform and name of the layer."""


def golden_path(recipe: Path, images: Mapping[Platform, PlatformImage]) -> Path:
    """Return the golden file of a recipe's folder for the environment that the images are made from."""
    first = next(iter(images.values()))
    return recipe / f"golden-{first.config['config']['Labels'][ENVIRONMENT_LABEL]}.json"


def diff_ids(images: Mapping[Platform, PlatformImage]) -> DiffIds:
    """Return the diff_ids of images by platform and layer."""
    found: DiffIds = {}
    for platform, image in images.items():
        names = [entry["created_by"].removeprefix(CREATED_BY) for entry in image.config["history"]]
        pairs = zip(names, image.diff_ids, strict=True)
        found[platform.oci] = {name: diff_id for name, diff_id in pairs if name != PROJECT}
    return found


def read_golden(path: Path) -> DiffIds:
    """Read a golden file; {} where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write_golden(path: Path, expected: DiffIds) -> None:
    """Write a golden file, in one step."""
    write_atomically(path, (json.dumps(expected, indent=2, sort_keys=True) + "\n").encode())


def unexpected(actual: DiffIds, golden: DiffIds) -> Iterator[str]:
    """Yield a line a layer that is not as expected, for the platforms that `actual` has."""
    for platform, layers in actual.items():
        expected = golden.get(platform, {})
        for name in sorted(layers.keys() | expected.keys()):
            if layers.get(name) != expected.get(name):
                wanted, there = expected.get(name, "no layer"), layers.get(name, "none")
                yield f"{platform}  {name}: {wanted} is expected, {there} is there"
