"""``fetch --recipe`` and ``store copy --recipe``: what the locks that a recipe builds from name, whosever they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from env.cli.store import copied
from env.formats.lock import Lock
from env.intake.intake import Chosen
from env.platforms import parse_platform, parse_platforms
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from images.build.build import Build
from images.recipe.project import project_recipe, with_chosen
from images.recipe.recipe import read_recipe


def run_fetch(options: argparse.Namespace, console: Console) -> None:
    """Download what a recipe's build and its checks need."""
    fetch(locks_of_recipe(options), Store(options.store), console=console, check=options.check)


def run_copy(options: argparse.Namespace, console: Console) -> None:
    """Copy what a recipe's build and its checks need."""
    copied(locks_of_recipe(options), options, console)


def locks_of_recipe(options: argparse.Namespace) -> list[Lock]:
    """Return the locks that the recipe, or the project without one, in ``options.recipe`` is built from.

    Of several environments that a recipe offers, the first is meant unless ``options.env`` names one.

    Raises:
        EnvError: anything that can be put right; its message says how.

    """
    tree, place = Tree(), Path(options.recipe)
    chosen = Chosen(tuple(options.extra), tuple(options.group))
    if (place / "image.toml").is_file():
        recipe = with_chosen(read_recipe(place), options.environment, chosen)
    else:
        jupyter = bool(options.with_what)
        recipe = project_recipe(place, tree, options.environment, jupyter=jupyter, chosen=chosen)[0]
    image = recipe.image
    platforms = parse_platforms(options.platform or ",".join(image.platforms))
    offered = tuple(parse_platform(name) for name in image.platforms)
    wanted = tuple(one for one in platforms if one in offered) or platforms
    build = Build(recipe, wanted, options.env or image.environments[0], tree=tree)
    build.require_fresh()
    return build.everything()
