"""Bring all that some locks name into the store, in parallel and with one progress display for the whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import httpx
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from env.connections import Connections
from env.errors import StoreCorruptError
from env.formats.lock import Lock, LockedFile
from env.index.sources import Located, locate
from env.parallel import each
from env.store.download import Downloader
from env.store.store import Store

CONNECTIONS = 8
_TIMEOUT = httpx.Timeout(30.0)


def fetch(locks: Sequence[Lock], store: Store, *, console: Console, check: bool = False) -> None:
    """Bring every file of `locks` into `store`; when all are there this costs one stat call a file.

    `check` reads stored files whole again, and replaces those that are corrupted.

    Raises:
        EnvError: one of errors.py, by cause; what was downloaded stays, and the next run goes on from there.
        KeyboardInterrupt: Ctrl-C, with the same promise.

    """
    with store.in_use():
        _fetch(locks, store, console, check)


def _fetch(locks: Sequence[Lock], store: Store, console: Console, check: bool) -> None:
    lacking = [(lock, [file for file in lock.files if not _present(store, file, check)]) for lock in locks]
    wanted = [place for lock, files in lacking for place in locate(lock, files)]
    # Files without an architecture are in both platforms' locks.
    unique = {place.file.sha256: place for place in wanted}
    if unique:
        _download(list(unique.values()), store, console)


def _present(store: Store, file: LockedFile, check: bool) -> bool:
    path = store.path(file.sha256)
    try:
        same = file.size in (0, path.stat().st_size)
    except FileNotFoundError:
        return False
    if same and check:
        try:
            store.verified(file.sha256, file.name)
        except StoreCorruptError:
            same = False
    if not same:
        path.unlink(missing_ok=True)
    return same


def _download(places: Sequence[Located], store: Store, console: Console) -> None:
    total = sum(place.file.size for place in places)
    console.print(f"fetching {len(places)} files, {decimal(total)}")
    stop, connections = threading.Event(), Connections()
    with (
        _progress(console) as progress,
        httpx.Client(
            follow_redirects=True,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            event_hooks={"request": [connections.watch]},
        ) as client,
    ):
        task = progress.add_task("fetch", total=total)
        downloader = Downloader(client, store, stop, lambda count: progress.advance(task, count))
        # The largest first, so that none of them is left alone at the end.
        ordered = sorted(places, key=lambda place: -place.file.size)
        try:
            each(downloader.get, ordered, threads=CONNECTIONS, stop=stop, wake=connections.end)
        finally:
            downloader.forget_empty()
    console.print(f"fetched {len(places)} files, {decimal(total)}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("fetch"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
