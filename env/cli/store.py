"""What ``python -m env store check|prune|copy`` does; cli.py has their options."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from env.errors import StoreDamagedError
from env.formats.freshness import fresh_locks
from env.formats.lock import Lock
from env.names import ENVIRONMENT
from env.spec import Tree
from env.store.store import Store
from env.store.upkeep import contents, copy, damaged, locked, prune


def run_check(options: argparse.Namespace, console: Console) -> None:
    """Read every file again."""
    store = Store(options.store)
    total = len(contents(store))
    columns = (TextColumn("check"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("check", total=total)
        found = damaged(store, lambda _: progress.advance(task))
    for path in found:
        console.print(f"damaged: {path}", markup=False)
        if options.repair:
            path.unlink(missing_ok=True)
    if options.json:
        result = {
            "store": str(store.root),
            "files": total,
            "damaged": list(map(str, found)),
            "repaired": options.repair,
        }
        print(json.dumps(result, indent=2))  # noqa: T201 - the result, for a program to read
    if found and not options.repair:
        raise StoreDamagedError(len(found))
    console.print(f"{total} files in {store.root}: {len(found)} damaged{' and deleted' if found else ''}", markup=False)


def run_prune(options: argparse.Namespace, console: Console) -> None:
    """Remove what nobody needs."""
    store = Store(options.store)
    done = prune(store, locked(Tree()), options.keep, options.unused_for, dry_run=options.dry_run)
    if options.json:
        result = {
            "store": str(store.root),
            "removed": not options.dry_run,
            "content": [path.name for path in done.content],
            "records": len(done.records),
            "programs": [path.name for path in done.programs],
            "partial": [path.name for path in done.partial],
            "bytes": done.size,
            "kept": done.kept,
        }
        print(json.dumps(result, indent=2))  # noqa: T201 - the result, for a program to read
    verb = "would remove" if options.dry_run else "removed"
    counts = f"{len(done.content)} files, {len(done.records)} records, {len(done.programs)} programs, "
    counts += f"{len(done.partial)} unfinished"
    console.print(f"{verb} {counts}: {decimal(done.size)}; {done.kept} files stay", markup=False)


def run_copy(options: argparse.Namespace, console: Console) -> None:
    """Copy what locks need."""
    copied(fresh_locks(options.env or ENVIRONMENT, options.platform, Tree()), options, console)


def copied(locks: Sequence[Lock], options: argparse.Namespace, console: Console) -> None:
    """Copy what some locks need into the folder that the command line names."""
    total = sum({file.sha256: file.size for lock in locks for file in lock.files}.values())
    columns = (TextColumn("copy"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("copy", total=total)
        done = copy(Store(options.store), locks, Store(options.target), lambda count: progress.advance(task, count))
    if options.json:
        print(json.dumps({"store": str(options.target), **vars(done)}, indent=2))  # noqa: T201 - the result
    console.print(
        f"{done.files} files ({decimal(done.size)}) to {options.target}, {done.there} there already", markup=False
    )
