"""The images of a release, built and verified as `build-image` and `images verify` do it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.spec import ROOT
from images.oci.contents import read_contents
from images.oci.layout import INTOTO_TYPE, SPDX_TYPE
from images.oci.read import read_blob
from images.recipe.recipe import load_recipe
from release.errors import ImageBuildError

ENVIRONMENT = "wheels"
"""Where packages come from, if the recipe offers it: which channel answers today must not decide what is released."""
_SUFFIXES = {SPDX_TYPE: "spdx.json", INTOTO_TYPE: "intoto.json"}


@dataclass(frozen=True)
class Image:
    """One recipe's image for a release."""

    name: str
    environment: str
    layout: Path
    index: str
    """``sha256:…``"""
    platforms: dict[str, str]
    """The digest of each platform's manifest, ``sha256:…``."""

    def summary(self) -> dict[str, Any]:
        """Return what images.json says of it."""
        return {"environment": self.environment, "index": self.index, "platforms": self.platforms}


def environment_of(name: str) -> str:
    """Return the environment that a recipe's image is released with.

    Raises:
        UnknownImageError, RecipeError: there is no such recipe.

    """
    offered = load_recipe(name).image.environments
    return ENVIRONMENT if ENVIRONMENT in offered else offered[0]


def build_image(name: str, layout: Path, store: Path | None) -> Image:
    """Build a recipe's image for all of its platforms, and verify it; progress goes to standard error.

    Raises:
        ImageBuildError: it could not be built, or is not what it says.

    """
    environment = environment_of(name)
    where = [] if store is None else ["--store", str(store)]
    told = _images(name, "build", name, "--env", environment, "--output", str(layout), "--json", *where)
    built = json.loads(told)
    _images(name, "verify", str(layout))
    platforms = {one["platform"]: one["digest"] for one in built["platforms"]}
    return Image(name, environment, layout, built["index"], platforms)


def attached(image: Image, version: str) -> Iterator[tuple[str, bytes]]:
    """Yield a file name and content for each bill of materials and provenance that is attached to an image."""
    contents = read_contents(image.layout)
    about = {digest: platform.replace("/", "-") for platform, digest in image.platforms.items()}
    for referrer in contents.referrers:
        payload = json.loads(referrer.document.content)["layers"][0]
        part = about.get(referrer.subject, "")
        if suffix := _SUFFIXES.get(payload["mediaType"]):
            stem = "-".join(word for word in (image.name, version, part) if word)
            yield f"{stem}.{suffix}", read_blob(image.layout, payload["digest"])


def _images(name: str, *arguments: str) -> str:
    command: Sequence[str] = (sys.executable, "-m", "images", *arguments)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ImageBuildError(name, done.returncode, arguments[0])
    return done.stdout
