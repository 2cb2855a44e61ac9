"""``python -m images export``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from env.files import replacing_file, space_or
from env.platforms import parse_platforms
from images.carried import read_contents
from images.errors import NoSpaceError
from images.export import FORMATS, export
from images.inspecting import layout_of
from images.recipe import recipe_names

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no other name

STDOUT = "-"


def add_export(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "export",
        help="write an image into one file, for podman, docker and skopeo to load",
        description="Write an image that has been built into one file: the same bytes every time.",
        epilog="Example: python -m images export jupyter --format oci-archive --output - | podman load",
    )
    names = ", ".join(recipe_names())
    parser.add_argument(
        "image", nargs="?", default="jupyter", help=f"folder of an OCI layout, or recipe: {names} (default: jupyter)"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="oci-archive holds every platform; docker-archive holds one, for `docker load` (default: oci-archive)",
    )
    parser.add_argument(
        "--output", type=_output, metavar="FILE", required=True, help="the file to write, or - for standard output"
    )
    parser.add_argument("--platform", metavar="LIST", help="e.g. linux/amd64 (default: all there are)")
    parser.add_argument(
        "--referrers",
        action="store_true",
        help="with bills of materials, provenance and signatures in the oci-archive; its reader then needs the image's "
        "name",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run)


def _output(name: str) -> str:
    if name == STDOUT and sys.stdout.isatty():
        raise argparse.ArgumentTypeError("a terminal can't take an archive: pipe it on, or name a file")
    return name


def _run(options: argparse.Namespace, console: Console) -> None:
    platforms = parse_platforms(options.platform) if options.platform else None
    contents = read_contents(layout_of(options.image), platforms, referrers=options.referrers)
    columns = (TextColumn("export"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        # A docker-archive holds layers unpacked, so its size is not known before the end.
        task = progress.add_task("export", total=contents.size if options.format == "oci-archive" else None)

        def advance(count: int) -> None:
            progress.advance(task, count)

        if options.output == STDOUT:
            # As any filter does: when the reader ends, so do we, and it is the reader who says why.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            export(contents, options.format, sys.stdout.buffer, advance)
            sys.stdout.buffer.flush()
            return
        output = Path(options.output)
        with space_or(NoSpaceError(output)), replacing_file(output) as file:
            export(contents, options.format, file, advance)
    size = output.stat().st_size
    result = {
        "output": str(output),
        "format": options.format,
        "size": size,
        "digest": f"sha256:{contents.root.digest}",
        "platforms": [platform.oci for platform in contents.platforms],
    }
    if options.json:
        print(json.dumps(result, indent=2))  # noqa: T201 - the result, for a program to read
    else:
        console.print(f"{output}: {options.format}, {decimal(size)}, index {result['digest']}", markup=False)
