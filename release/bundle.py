"""A release in one folder: distributions, images, their papers, the notes, and the checksums of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from env.files import space_or
from env.spec import DISTRIBUTION
from images.errors import NoSpaceError
from images.oci.replace_folder import replacing
from release.checkout import Checkout
from release.conda_recipe import require_same
from release.distributions import build_distributions
from release.layouts import Image, attached, build_image
from release.notes import notes_of
from release.papers import bill, digests, provenance
from release.versions import CHANGELOG, agreed

SUMS = "SHA256SUMS"
NOTES = "release-notes.md"
IMAGES = "images"
"""The folder of the layouts."""
LISTING = "images.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a release is to hold."""

    distributions: bool = True
    images: tuple[str, ...] = ()
    """Names of recipes."""
    draft: bool = False
    """Whether it may be of what is in no commit and in no section of the changelog."""
    store: Path | None = None


@dataclass(frozen=True)
class Bundle:
    """A release that has been made."""

    version: str
    commit: str
    folder: Path
    files: dict[str, str]
    """The sha256 of each file, by its name; of an image's layout those of images.json stand for all."""
    images: tuple[Image, ...] = field(default=())

    def summary(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": self.version,
            "commit": self.commit or None,
            "folder": str(self.folder),
            "files": self.files,
            "images": {image.name: image.summary() for image in self.images},
        }


def make_bundle(checkout: Checkout, wanted: Wanted, output: Path, say: Say) -> Bundle:
    """Make a release in a folder, which is replaced in one step when all of it is there.

    Raises:
        ReleaseError, ImageError, EnvError: anything that can be put right; its message says how, and the folder is as
            it was.

    """
    version = agreed(checkout.root, checkout.tags)
    require_same(checkout.root)
    # Before what takes long.
    notes = notes_of((checkout.root / CHANGELOG).read_text(encoding="utf-8"), version, draft=wanted.draft)
    if notes.heading != version:
        say(f"notes are of {notes.heading}: a release wants `## {version} - YYYY-MM-DD` in CHANGELOG.md")
    with space_or(NoSpaceError(output)), replacing(output) as stage:
        if wanted.distributions:
            say(f"wheel and sdist of {DISTRIBUTION} {version}")
            _distributions(checkout, version, stage)
        images = tuple(_image(name, version, stage, wanted.store, say) for name in wanted.images)
        if images:
            _write_json(stage / LISTING, {image.name: image.summary() for image in images})
        (stage / NOTES).write_text(_with_images(notes.text, images), encoding="utf-8")
        files = digests(sorted(path for path in stage.iterdir() if path.is_file()))
        (stage / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in files.items()), encoding="utf-8")
        for path in (*stage.rglob("*"),):
            # As an unpacked archive has them, whatever the umask of who made it.
            if not path.is_symlink() and IMAGES not in path.relative_to(stage).parts:
                path.chmod(0o755 if path.is_dir() else 0o644)
    return Bundle(version, checkout.commit, output, files, images)


def _distributions(checkout: Checkout, version: str, stage: Path) -> None:
    subjects = digests(build_distributions(checkout, stage))
    stem = f"{DISTRIBUTION.replace('-', '_')}-{version}"
    (stage / f"{stem}.spdx.json").write_bytes(bill(checkout, version, subjects).content)
    (stage / f"{stem}.intoto.json").write_bytes(provenance(checkout, subjects).content)


def _image(name: str, version: str, stage: Path, store: Path | None, say: Say) -> Image:
    say(f"image {name}, all of its platforms")
    image = build_image(name, stage / IMAGES / name, store)
    for file, content in attached(image, version):
        (stage / file).write_bytes(content)
    return image


def _with_images(notes: str, images: Sequence[Image]) -> str:
    if not images:
        return notes
    rows = [
        f"| {image.name} | {platform} | `{digest}` |"
        for image in images
        for platform, digest in (("all", image.index), *sorted(image.platforms.items()))
    ]
    return "\n".join((notes, "### Images", "", "| image | platform | digest |", "| --- | --- | --- |", *rows, ""))


def _write_json(path: Path, content: object) -> None:
    path.write_text(f"{json.dumps(content, indent=2, sort_keys=True)}\n", encoding="utf-8")


def tree_digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by its path there."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
