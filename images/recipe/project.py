"""The recipe of a project that has none: Debian's base, and what the project's lock has."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

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
    place: Path, tree: Tree, environment: str = "", *, jupyter: bool = False, chosen: Chosen = NOTHING_MORE
) -> tuple[Recipe, Intake]:
    """Return a recipe for a project's folder, or for one of its locks, and the lock that is taken.

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
    intake = take(tree.beside(folder), file=file, environment=environment, chosen=chosen)
    if intake is None:
        known = "pixi.lock, uv.lock, pylock.toml, conda-lock.yml, an @EXPLICIT file or a requirements.txt with hashes"
        raise RecipeError(folder, f"has nothing that says what to install: bring a {known}")
    parts = (*PARTS, *WITH_JUPYTER) if jupyter else PARTS
    image = Image.model_validate(
        {
            "name": _name(folder),
            "title": f"The environment of {folder.name}",
            "description": f"What {intake.path.name} of {folder.name} has",
            "platforms": [platform.oci for platform in intake.platforms()],
            "environments": [intake.environment],
            "parts": parts,
            "created": CREATED,
            "lock": _named(intake.path, folder),
            "environment": environment,
            "extras": chosen.extras,
            "groups": chosen.groups,
        }
    )
    path = folder / "image.toml"
    return Recipe(image, tuple(load_part(part, path) for part in parts), path), intake


def _named(path: Path, folder: Path) -> str:
    """Return how a recipe names its lock: from its own folder; the uv.lock of a workspace by its name."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "project"
