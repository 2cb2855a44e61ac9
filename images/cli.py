"""The command line: ``python -m images build|check|export|push``; the nox sessions call the same."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from env.command import run
from images import selftests
from images.exportcmd import add_export
from images.inspectcmd import add_inspect
from images.inspecting import add_commands
from images.pushcmd import add_push
from images.recipe import recipe_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code (env/errors.py and images/errors.py list them)."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    # A terminated build cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    return run(lambda: options.run(options, console), console)


def _run_build(options: argparse.Namespace, console: Console) -> None:
    # Here, because no other command needs the solver, which takes longer to import than all else.
    from images.buildcmd import run_build  # noqa: PLC0415

    run_build(options, console)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m images", description="OCI images from locks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--platform", metavar="LIST", help="e.g. linux/amd64,linux/arm64 (default: all there are)")
    common.add_argument(
        "--store", type=Path, metavar="DIR", help="the store (default: $JUPYTER_MCP_STORE or the cache)"
    )
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    names = ", ".join(recipe_names())

    build = commands.add_parser(
        "build",
        parents=[common],
        help="assemble an image from the locks, fetching what the store lacks",
        description="Assemble an image for every platform on this host: no daemon, no root, no emulation.",
        epilog="Example: python -m images build jupyter --platform linux/arm64 --env wheels",
    )
    build.add_argument("image", nargs="?", default="jupyter", help=f"recipe: {names} (default: jupyter)")
    build.add_argument("--recipe", type=Path, metavar="DIR", help="a recipe of your own: the folder of its image.toml")
    build.add_argument("--env", metavar="NAME", help="conda or wheels (default: the recipe's first that answers)")
    build.add_argument("--output", type=Path, metavar="DIR", help="the OCI layout (default: dist/images/IMAGE)")
    build.add_argument(
        "--compression", choices=("zstd", "gzip"), default="zstd", help="gzip is for runtimes before 2022"
    )
    build.add_argument(
        "--plan",
        action="store_true",
        help="print packages, sizes and layers per platform; no network, no build",
    )
    build.set_defaults(run=_run_build)

    selftests.add_commands(commands, common, names)
    add_export(commands)
    add_push(commands)
    add_inspect(commands)
    add_commands(commands)
    return parser
