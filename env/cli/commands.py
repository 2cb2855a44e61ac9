"""What ``python -m env`` does for lock, fetch and verify; cli.py has their options."""

from __future__ import annotations

import argparse

from rich.console import Console

from env.formats.freshness import fresh_locks
from env.index.uv import Preferences
from env.names import ENVIRONMENT, TARGETS
from env.platforms import PLATFORMS, parse_platforms
from env.resolve.locking import make_locks
from env.resolve.recipe_lock import lock_recipe
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from env.verify.verify import verify


def run_lock(options: argparse.Namespace, console: Console) -> None:
    """Make locks."""
    tree = Tree()
    upgrade = None if options.upgrade is None else tuple(options.upgrade)
    preferences = Preferences(upgrade, options.exclude_newer)
    if options.recipe is not None:
        platforms = PLATFORMS if options.platform is None else parse_platforms(options.platform)
        lock_recipe(tree.beside(options.recipe), platforms, preferences, console)
        return
    records = None if options.live else options.records
    make_locks(tree, options.target or TARGETS, preferences, console, records)


def run_fetch(options: argparse.Namespace, console: Console) -> None:
    """Download what locks name."""
    locks = fresh_locks(options.env or ENVIRONMENT, options.platform, Tree())
    fetch(locks, Store(options.store), console=console, check=options.check)


def run_verify(options: argparse.Namespace, console: Console) -> None:
    """Check all locks."""
    verify(console, Tree(), joint=not options.offline)
