"""The image's configuration: what other programs read in its labels."""

from __future__ import annotations

import json
from pathlib import Path

from env.platforms import AMD64
from images.build.config import image_config
from images.recipe.recipe import Recipe, load_recipe


def metadata(recipe: Recipe) -> dict[str, object]:
    config = image_config(recipe, AMD64, "wheels", "2026-11-01T00:00:00Z", ())
    (found,) = json.loads(config["config"]["Labels"]["devcontainer.metadata"])
    return dict(found)


def test_an_editor_is_told_whose_the_container_is_and_what_it_serves(tmp_path: Path) -> None:
    recipe = load_recipe("jupyter")
    found = metadata(recipe)
    assert found["remoteUser"] == recipe.user.name
    # The server that the image starts goes on, instead of a shell that sleeps.
    assert (found["forwardPorts"], found["overrideCommand"]) == ([8888], False)
    bare = Recipe(recipe.image, tuple(part for part in recipe.parts if part.name == "base"), tmp_path)
    assert metadata(bare).keys() == {"remoteUser", "updateRemoteUserUID"}
