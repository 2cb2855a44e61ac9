"""The commands that look at a layout: verify, size, diff and golden."""

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
from images.errors import DifferentError, LayoutError, NotGoldenError, NotOfferedError
from images.golden import diff_ids, golden_path, read_golden, unexpected, write_golden
from images.listing import content_of, differences, sizes
from images.reading import PlatformImage, read_layout
from images.recipe import RECIPES, load_recipe, recipe_names
from images.schema import MODELS, schema_of
from images.verify import verify

DIST = Path("dist") / "images"
_SHOWN = 40


def layout_of(image: str) -> Path:
    """Give the folder that a command means: a layout, or where the recipe of that name is built.

    Raises:
        UnknownImageError: it is neither.

    """
    folder = Path(image)
    return folder if (folder / "oci-layout").is_file() else DIST / load_recipe(image).image.name


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser of ``python -m images``."""
    about = f"folder of an OCI layout, or recipe: {', '.join(recipe_names())} (default: jupyter)"

    check = commands.add_parser("verify", help="check a layout against itself, offline: digests, diff_ids, bills")
    check.add_argument("image", nargs="?", default="jupyter", help=about)
    check.set_defaults(run=_verify)

    size = commands.add_parser("size", help="list what an image holds, the largest first")
    size.add_argument("image", nargs="?", default="jupyter", help=about)
    size.add_argument("--platform", metavar="LIST", help="e.g. linux/amd64 (default: all there are)")
    size.add_argument("--all", action="store_true", help=f"list everything, not only the {_SHOWN} largest")
    size.add_argument("--json", action="store_true", help="print bytes by folder as JSON")
    size.set_defaults(run=_size)

    diff = commands.add_parser(
        "diff",
        help="say which files differ between two layouts",
        description="Compare two layouts file by file: type, mode, owner, time, size and content.",
        epilog="Example: python -m images diff dist/images/jupyter /mnt/theirs --platform linux/arm64",
    )
    diff.add_argument("one", help=about)
    diff.add_argument("other", help="folder of another layout")
    diff.add_argument("--platform", metavar="LIST", help="e.g. linux/amd64 (default: all that both have)")
    diff.set_defaults(run=_diff)

    golden = commands.add_parser(
        "golden", help="hold a built image to the diff_ids that are committed beside its recipe"
    )
    golden.add_argument("image", nargs="?", default="jupyter", help=about)
    golden.add_argument(
        "--recipe", default="jupyter", metavar="NAME", help="the recipe it is built from (default: jupyter)"
    )
    golden.add_argument("--write", action="store_true", help="take what is there as what is expected from now on")
    golden.set_defaults(run=_golden)

    schema = commands.add_parser("schema", help="print the JSON schema of image.toml or part.toml, or their reference")
    schema.add_argument("name", choices=(*sorted(MODELS), "reference"))
    schema.set_defaults(run=_schema)


def _schema(options: argparse.Namespace, _console: Console) -> None:
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


def _verify(options: argparse.Namespace, console: Console) -> None:
    for line in verify(layout_of(options.image)):
        console.print(line)


def _size(options: argparse.Namespace, _console: Console) -> None:
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
        for name, size in counted.most_common(None if options.all else _SHOWN):
            out.print(f"  {decimal(size):>10}  {name}", markup=False)


def _diff(options: argparse.Namespace, _console: Console) -> None:
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


def _golden(options: argparse.Namespace, console: Console) -> None:
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
