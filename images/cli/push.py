"""``python -m images push``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from env.platforms import parse_platforms
from env.store.store import Store
from images.cli.layouts import layout_of
from images.oci.contents import read_contents
from images.registry.credentials import find_credentials
from images.registry.push import listed, push
from images.registry.reference import parse_reference
from images.registry.signing import parse_signer


def run_push(options: argparse.Namespace, console: Console) -> None:
    """Put an image into a registry."""
    reference = parse_reference(options.reference)
    signer = None if options.sign_with is None else parse_signer(options.sign_with)
    contents = read_contents(layout_of(options.image), parse_platforms(options.platform) if options.platform else None)
    credentials = find_credentials(reference.registry, reference.repository)
    console.print(f"pushing {len(contents.parts)} blobs, {decimal(contents.size)}, to {reference}", markup=False)
    columns = (TextColumn("push"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("push", total=contents.size)

        def sign(references: Sequence[str]) -> None:
            # The signer may ask for a password.
            progress.stop()
            if signer is not None:
                signer.sign(references)

        done = push(
            contents,
            reference,
            Store(options.store),
            credentials,
            lambda count: progress.advance(task, count),
            insecure=options.insecure,
            sign=None if signer is None else sign,
        )
    blobs = {outcome: done.blobs[outcome] for outcome in ("uploaded", "mounted", "there")}
    if options.json:
        result = {
            "reference": str(reference),
            "digest": f"sha256:{contents.root.digest}",
            "manifests": listed(contents),
            "blobs": blobs,
            "bytes": done.bytes_sent,
            "referrers": done.referrers,
            "signed": signer is not None,
        }
        print(json.dumps(result, indent=2))  # noqa: T201 - the result, for a program to read
        return
    counts = f"{blobs['uploaded']} blobs sent ({decimal(done.bytes_sent)}), {blobs['mounted']} mounted"
    console.print(f"{counts}, {blobs['there']} there already; {done.referrers} referrers", markup=False)
    console.print(f"{reference}@sha256:{contents.root.digest}", markup=False)
