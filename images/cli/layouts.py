"""What the commands that look at a layout do: verify, size, diff, golden and schema; cli.py has their options."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal

from env.platforms import Platform, parse_platforms
from env.spec import ROOT
from images.build.changes import changes, read_plan
from images.build.golden import diff_ids, golden_path, read_golden, unexpected, write_golden
from images.errors import DifferentError, LayoutError, NotGoldenError, NotOfferedError
from images.names import RECIPES, SHOWN
from images.oci.listing import content_of, differences, sizes
from images.oci.read import PlatformImage, read_layout
from images.oci.verify import verify
from images.recipe.recipe import load_recipe
from images.recipe.schema import schema_of

DIST = Path("dist") / "images"


def layout_of(image: str) -> Path:
    """Return the folder that a command means: a layout, or where the recipe of that name is built.

    Raises:
        UnknownImageError: it is neither.

    """
    folder = Path(image)
    return folder if (folder / "oci-layout").is_file() else DIST / load_recipe(image).image.name


def run_schema(options: argparse.Namespace, _console: Console) -> None:
    """Print a schema, or the reference page."""
    if options.name == "reference":
        # Part of the documentation, so no module of this package.
        subprocess.run([sys.executable, "-m", "docs.reference.recipe_page"], cwd=ROOT, check=True)
        return
    print(schema_of(options.name), end="")  # noqa: T201 - the result


def _chosen(layout: Path, platforms: str | None) -> dict[Platform, PlatformImage]:
    images = read_layout(layout)
    if platforms is None:
        return images
    for platform in parse_platforms(platforms):
        if platform not in images:
            raise NotOfferedError(layout, platform, [known.oci for known in images])
    return {platform: images[platform] for platform in parse_platforms(platforms)}


def run_verify(options: argparse.Namespace, console: Console) -> None:
    """Check a layout against itself."""
    for line in verify(layout_of(options.image)):
        console.print(line)


def run_size(options: argparse.Namespace, _console: Console) -> None:
    """List what an image holds."""
    found = {
        platform.oci: sizes(content_of(image))
        for platform, image in _chosen(layout_of(options.image), options.platform).items()
    }
    out = Console(highlight=False, soft_wrap=True)
    if options.json:
        out.print_json(json.dumps(found))
        return
    for platform, counted in found.items():
        out.print(f"{platform}  {decimal(sum(counted.values()))} in files")
        for name, size in counted.most_common(None if options.all else SHOWN):
            out.print(f"  {decimal(size):>10}  {name}", markup=False)


def run_diff(options: argparse.Namespace, _console: Console) -> None:
    """List what differs between two layouts."""
    one, other = layout_of(options.one), layout_of(options.other)
    ours, theirs = _chosen(one, options.platform), _chosen(other, options.platform)
    shared = [platform for platform in ours if platform in theirs]
    if not shared:
        raise LayoutError(other, f"has no platform in common with {one}")
    out = Console(highlight=False, soft_wrap=True)
    count = 0
    for platform in shared:
        if ours[platform].digest == theirs[platform].digest:
            out.print(f"{platform}  same digest")
            continue
        for line in differences(content_of(ours[platform]), content_of(theirs[platform])):
            out.print(f"{platform}  {line}", markup=False)
            count += 1
        if ours[platform].config != theirs[platform].config:
            keys = {
                key for key in ours[platform].config if ours[platform].config[key] != theirs[platform].config.get(key)
            }
            out.print(f"{platform}  the configuration differs in {', '.join(sorted(keys))}")
            count += 1
    if count:
        raise DifferentError(count)


def run_changes(options: argparse.Namespace, _console: Console) -> None:
    """Print what changes between two plans."""
    before, after = read_plan(options.before), read_plan(options.after)
    out = Console(highlight=False, soft_wrap=True)
    for line in changes(before, after):
        out.print(line, markup=False)


def run_golden(options: argparse.Namespace, console: Console) -> None:
    """Compare a built image with what is committed."""
    layout = layout_of(options.image)
    images = read_layout(layout)
    path = golden_path(RECIPES / load_recipe(options.recipe).image.name, images)
    actual = diff_ids(images)
    if options.write:
        write_golden(path, {**read_golden(path), **actual})
        console.print(f"wrote {path.name}")
        return
    wrong = list(unexpected(actual, read_golden(path)))
    for line in wrong:
        console.print(line, markup=False)
    if wrong:
        raise NotGoldenError(len(wrong), path.name)
    console.print(f"{sum(map(len, actual.values()))} layers are as {path.name} says")
