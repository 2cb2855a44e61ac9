"""The command line: ``python -m images build|plan|check``; the nox sessions call the same."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from env.errors import EnvError
from env.fetch import fetch
from env.fresh import require_fresh
from env.platforms import parse_platform, parse_platforms
from env.store import Store
from images.assemble import Build, Result, assemble
from images.layers import Layer
from images.recipe import load_recipe, recipe_names

DIST = Path("dist") / "images"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code (env/errors.py and images/errors.py list them)."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    # A terminated build cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        build = _build(options)
        console.print(f"{build.recipe.image.name}: environment {build.environment}, {_names(build)}", highlight=False)
        store = Store(options.store)
        for lock in build.needed():
            require_fresh(lock)
        fetch(build.needed(), store, console=console)
        output = options.output or DIST / build.recipe.image.name
        result = _assemble(build, store, output, console)
    except EnvError as error:
        console.print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        console.print(
            "interrupted: nothing was left half-made; run it again to go on where it stopped", highlight=False
        )
        return INTERRUPTED
    if options.json:
        print(json.dumps(_summary(result, output), indent=2))  # noqa: T201 - the result, for a program to read
    else:
        _report(result, output)
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _names(build: Build) -> str:
    return " and ".join(platform.oci for platform in build.platforms)


def _build(options: argparse.Namespace) -> Build:
    recipe = load_recipe(options.image)
    offered = tuple(parse_platform(name) for name in recipe.image.platforms)
    platforms = parse_platforms(options.platform) if options.platform else offered
    return Build(recipe, platforms, options.env or recipe.image.environments[0], options.compression)


def _assemble(build: Build, store: Store, output: Path, console: Console) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("layers", total=None)

        def total(count: int) -> None:
            progress.update(task, total=count)

        def done(layer: Layer) -> None:
            progress.advance(task)
            if not layer.reused:
                blob = layer.blob
                console.print(
                    f"{layer.plan.platform}  {layer.plan.name}: {decimal(blob.size)} of {decimal(blob.unpacked)}",
                    highlight=False,
                )

        return assemble(build, store, output, total, done)


def _report(result: Result, output: Path) -> None:
    table = Table("platform", "digest", "compressed", "uncompressed", "layers", "reused", box=None, pad_edge=False)
    for one in result.manifests:
        layers = result.layers[one.platform.oci]
        reused = sum(layer.reused for layer in layers)
        table.add_row(
            one.platform.oci,
            f"sha256:{one.document.digest}",
            decimal(one.size),
            decimal(one.unpacked),
            str(len(layers)),
            str(reused),
        )
    out = Console(width=160, highlight=False)
    out.print(table)
    out.print(f"index sha256:{result.image.digest}  {output}", soft_wrap=True)


def _summary(result: Result, output: Path) -> dict[str, object]:
    return {
        "index": f"sha256:{result.image.digest}",
        "layout": str(output),
        "platforms": [
            {
                "platform": one.platform.oci,
                "digest": f"sha256:{one.document.digest}",
                "compressed": one.size,
                "uncompressed": one.unpacked,
                "layers": [
                    {
                        "name": layer.plan.name,
                        "digest": f"sha256:{layer.blob.digest}",
                        "diff_id": f"sha256:{layer.blob.diff_id}",
                        "compressed": layer.blob.size,
                        "uncompressed": layer.blob.unpacked,
                        "reused": layer.reused,
                    }
                    for layer in result.layers[one.platform.oci]
                ],
            }
            for one in result.manifests
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m images", description="OCI images from locks.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="assemble an image from the locks, fetching what the store lacks",
        description="Assemble an image for every platform on this host: no daemon, no root, no emulation.",
    )
    build.add_argument(
        "image", nargs="?", default="jupyter", help=f"recipe: {', '.join(recipe_names())} (default: jupyter)"
    )
    build.add_argument("--platform", metavar="LIST", help="e.g. linux/amd64,linux/arm64 (default: the recipe's)")
    build.add_argument("--env", metavar="NAME", help="where packages come from (default: the recipe's first)")
    build.add_argument("--output", type=Path, metavar="DIR", help="the OCI layout (default: dist/images/IMAGE)")
    build.add_argument("--store", type=Path, metavar="DIR", help="the store (default: $JUPYTER_MCP_STORE or the cache)")
    build.add_argument(
        "--compression", choices=("zstd", "gzip"), default="zstd", help="gzip is for runtimes before 2022"
    )
    build.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser
