"""The recipe of a project that has none: Debian's base, and what the project's lock has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from env.errors import NotTakenError
from env.intake.found import take
from env.intake.intake import NOTHING_MORE, Chosen, Intake
from env.spec import Tree
from images.errors import RecipeError
from images.recipe.recipe import Image, Recipe, load_part

PARTS = ("base", "environment")
WITH_JUPYTER = ("supervisord", "agent-forwarding", "jupyter", "jupyter-mcp")
"""What serves the environment as this project's own image does; the overlay adds what the environment lacks for it."""
CREATED = datetime(2026, 11, 1, tzinfo=UTC)
"""The time that files carry, unless SOURCE_DATE_EPOCH says otherwise: that of this project's own recipes."""


def project_recipe(
    place: Path, tree: Tree, environments: Sequence[str] = (), *, jupyter: bool = False, chosen: Chosen = NOTHING_MORE
) -> tuple[Recipe, list[Intake]]:
    """Return a recipe for a project's folder, or for one of its locks, and what of the lock is taken.

    With `jupyter`, it serves JupyterLab, collaboration and MCP from that environment.

    Raises:
        RecipeError: there is nothing that says what to install.
        EnvError: what is there can't be used.

    """
    folder, file = (place.parent, place.name) if place.is_file() else (place, "")
    if not folder.is_dir():
        raise RecipeError(place, "is not there")
    # Absolute, so that what is advised can be run from anywhere.
    folder = folder.resolve()
    found = [take(tree.beside(folder), file=file, environment=name, chosen=chosen) for name in environments or [""]]
    intakes = [intake for intake in found if intake is not None]
    if not intakes:
        known = "pixi.lock, uv.lock, pylock.toml, conda-lock.yml, an @EXPLICIT file or a requirements.txt with hashes"
        raise RecipeError(folder, f"has nothing that says what to install: bring a {known}")
    intake = intakes[0]
    parts = (*PARTS, *WITH_JUPYTER) if jupyter else PARTS
    image = Image.model_validate(
        {
            "name": _name(folder),
            "title": f"The environment of {folder.name}",
            "description": f"What {intake.path.name} of {folder.name} has",
            "platforms": _platforms(intakes),
            "environments": [intake.environment],
            "parts": parts,
            "created": CREATED,
            "lock": _named(intake.path, folder),
            "environment": tuple(environments) if len(environments) > 1 else "".join(environments),
            "extras": chosen.extras,
            "groups": chosen.groups,
        }
    )
    path = folder / "image.toml"
    return Recipe(image, tuple(load_part(part, path) for part in parts), path), intakes


def with_chosen(recipe: Recipe, environments: Sequence[str], chosen: Chosen) -> Recipe:
    """Return a recipe with these environments in the place of its own, if any are named, and more extras and groups."""
    image = recipe.image
    changes = {
        "environment": (environments[0] if len(environments) == 1 else tuple(environments)) or image.environment,
        "extras": tuple(dict.fromkeys((*image.extras, *chosen.extras))),
        "groups": tuple(dict.fromkeys((*image.groups, *chosen.groups))),
    }
    return replace(recipe, image=image.model_copy(update=changes))


def _platforms(intakes: Sequence[Intake]) -> list[str]:
    """Return the platforms that all of the environments are for.

    Raises:
        NotTakenError: there is none.

    """
    each = [{platform.oci for platform in intake.platforms()} for intake in intakes]
    common = [platform.oci for platform in intakes[0].platforms() if all(platform.oci in one for one in each)]
    if not common:
        said = "; ".join(
            f"{next(iter(intake.described()), '')}: {', '.join(sorted(one))}"
            for intake, one in zip(intakes, each, strict=True)
        )
        raise NotTakenError(intakes[0].path, f"has no platform for all of these environments ({said})")
    return common


def _named(path: Path, folder: Path) -> str:
    """Return how a recipe names its lock: from its own folder; the uv.lock of a workspace by its name."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "project"
