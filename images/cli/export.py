"""``python -m images export``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from env.files import replacing_file, space_or
from env.platforms import parse_platforms
from images.cli.layouts import layout_of
from images.errors import NoSpaceError
from images.oci.contents import read_contents
from images.oci.export import export

STDOUT = "-"


def run_export(options: argparse.Namespace, console: Console) -> None:
    """Write an image into one file."""
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
