"""What ``python -m env`` does for lock, fetch and verify; cli.py has their options."""

from __future__ import annotations

import argparse

from rich.console import Console

from env.errors import SpecError
from env.formats.freshness import fresh_locks
from env.index.uv import Preferences
from env.intake.own_debian import APT_TXT
from env.intake.requirements_txt import REQUIREMENTS
from env.names import ENVIRONMENT, TARGETS
from env.platforms import PLATFORMS, parse_platforms
from env.resolve.locking import make_locks
from env.resolve.own_debian import lock_own_debian
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
        beside = tree.beside(options.recipe)
        locked = lock_own_debian(beside, platforms, preferences, console)
        if options.debian and not locked:
            raise SpecError(options.recipe, f"asks for no Debian packages: list them in {APT_TXT}, or in image.toml")
        if not options.debian and (not locked or (options.recipe / REQUIREMENTS).is_file()):
            lock_recipe(beside, platforms, preferences, console)
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
