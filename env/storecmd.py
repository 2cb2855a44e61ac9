"""``python -m env store check|prune|copy``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from env.environments import ENVIRONMENTS
from env.errors import StoreDamagedError
from env.fresh import fresh_locks
from env.spec import Tree
from env.store import Store
from env.upkeep import contents, copy, damaged, locked, prune

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no other name


def add_store(commands: Commands) -> None:
    """Add the command and its own commands to the parser."""
    store = commands.add_parser(
        "store", help="check the store, make it smaller, or copy it for a place without network"
    )
    actions = store.add_subparsers(required=True, metavar="ACTION")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store", type=Path, metavar="DIR", help="the store (default: $JUPYTER_MCP_STORE or the cache)"
    )
    common.add_argument("--json", action="store_true", help="print the result as JSON")

    check = actions.add_parser("check", parents=[common], help="read every file again and tell of those that changed")
    check.add_argument("--repair", action="store_true", help="delete them, so that they are brought anew")
    check.set_defaults(run=_check)

    less = actions.add_parser(
        "prune",
        parents=[common],
        help="remove what no lock, no record of a build and no given layout needs",
        description="Remove what no lock of this checkout, no record of a build and no given layout needs. Not while "
        "a build or a fetch uses the store.",
    )
    less.add_argument("--unused-for", type=float, metavar="DAYS", help="remove what builds made and did not use since")
    less.add_argument(
        "--keep", type=_layout, action="append", default=[], metavar="DIR", help="keep this layout's blobs"
    )
    less.add_argument("--dry-run", action="store_true", help="tell what would go, and remove nothing")
    less.set_defaults(run=_prune)

    carry = actions.add_parser("copy", parents=[common], help="bring what the locks need into another folder")
    carry.add_argument("target", type=Path, metavar="DIR", help="an empty folder, or a store to add to")
    carry.add_argument("--recipe", type=Path, metavar="DIR", help="with the locks that a recipe of your own brings")
    carry.add_argument("--env", choices=sorted(ENVIRONMENTS), default="wheels", help="environment (default: wheels)")
    carry.add_argument("--platform", metavar="LIST", help="comma-separated, e.g. linux/amd64 (default: all)")
    carry.set_defaults(run=_copy)


def _layout(name: str) -> Path:
    if not (Path(name) / "blobs" / "sha256").is_dir():
        raise argparse.ArgumentTypeError(f"{name} is no image layout")
    return Path(name)


def _check(options: argparse.Namespace, console: Console) -> None:
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


def _prune(options: argparse.Namespace, console: Console) -> None:
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


def _copy(options: argparse.Namespace, console: Console) -> None:
    tree = Tree()
    locks = fresh_locks(options.env, options.platform, tree.beside(options.recipe or tree.root))
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
