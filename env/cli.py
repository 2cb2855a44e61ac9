"""The command line: ``python -m env lock|fetch|verify|store``; the nox sessions call the same."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from env.command import run
from env.environments import ENVIRONMENTS
from env.fetch import fetch
from env.fresh import fresh_locks
from env.locking import TARGETS, make_locks
from env.platforms import PLATFORMS, parse_platforms
from env.recipelock import lock_recipe
from env.records import VARIABLE as RECORDS_VARIABLE
from env.spec import Tree
from env.store import Store
from env.storecmd import add_store
from env.uv import Preferences
from env.verify import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code (errors.py lists them)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "lock" and options.recipe is not None and options.target:
        parser.error("--recipe locks what a recipe brings: name no other set beside it")
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return run(lambda: _command(options, console), console)


def _command(options: argparse.Namespace, console: Console) -> None:
    tree = Tree()
    if options.command == "lock":
        upgrade = None if options.upgrade is None else tuple(options.upgrade)
        if options.recipe is not None:
            platforms = PLATFORMS if options.platform is None else parse_platforms(options.platform)
            lock_recipe(tree.beside(options.recipe), platforms, Preferences(upgrade, options.exclude_newer), console)
            return
        records = None if options.live else options.records
        make_locks(tree, options.target or TARGETS, Preferences(upgrade, options.exclude_newer), console, records)
    elif options.command == "verify":
        verify(console, tree, joint=not options.offline)
    elif options.command == "store":
        options.run(options, console)
    else:
        locks = fresh_locks(options.env, options.platform, tree.beside(options.recipe or tree.root))
        fetch(locks, Store(options.store), console=console, check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m env", description="Locks, and the files that they name.")
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", help="resolve the specs and write env/locks/")
    # No `choices`: argparse applies them to the empty list of `*` too.
    lock.add_argument("target", nargs="*", type=_target, help=f"what to lock: {', '.join(TARGETS)} (default: all)")
    lock.add_argument(
        "--upgrade", nargs="*", metavar="NAME", help="let these packages change their version; no NAME frees all"
    )
    lock.add_argument(
        "--recipe", type=Path, metavar="DIR", help="lock DIR/requirements.txt into DIR/pylock.toml, and nothing else"
    )
    lock.add_argument(
        "--platform", metavar="LIST", help="with --recipe: platforms that must have wheels (default: all)"
    )
    lock.add_argument("--exclude-newer", metavar="DATE", help="ignore Python packages published after DATE")
    folder = os.environ.get(RECORDS_VARIABLE)
    source = lock.add_mutually_exclusive_group()
    source.add_argument(
        "--records",
        type=Path,
        default=Path(folder) if folder else None,
        metavar="DIR",
        help=f"solve conda against the records in DIR, not the channel (default: ${RECORDS_VARIABLE})",
    )
    source.add_argument(
        "--live", action="store_true", help=f"solve conda against the channel, whatever ${RECORDS_VARIABLE} says"
    )
    get = commands.add_parser("fetch", help="download what the locks name into the store")
    get.add_argument("--recipe", type=Path, metavar="DIR", help="with the locks that a recipe of your own brings")
    get.add_argument("--platform", metavar="LIST", help="comma-separated, e.g. linux/amd64 (default: all)")
    get.add_argument("--env", choices=sorted(ENVIRONMENTS), default="wheels", help="environment (default: wheels)")
    get.add_argument("--store", type=Path, metavar="DIR", help="the store (default: $JUPYTER_MCP_STORE or the cache)")
    get.add_argument("--check", action="store_true", help="read every stored file again and replace corrupted ones")
    check = commands.add_parser("verify", help="check that every lock answers its spec and holds what it promises")
    check.add_argument("--offline", action="store_true", help="leave out the joint solve, which asks the package index")
    add_store(commands)
    return parser


def _target(name: str) -> str:
    if name not in TARGETS:
        raise argparse.ArgumentTypeError(f"unknown lock {name!r}: use {', '.join(TARGETS)}")
    return name
