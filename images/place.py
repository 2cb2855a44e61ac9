"""Where an image that was built is: the folder that a person named, or that of a recipe's name."""

from __future__ import annotations

from pathlib import Path

from images.recipe import load_recipe

DIST = Path("dist") / "images"


def layout_of(image: str) -> Path:
    """Give the layout that `image` means: a folder that is one, or where `build` puts the recipe of that name.

    Raises:
        UnknownImageError: it is neither.

    """
    layout = Path(image)
    return layout if (layout / "oci-layout").is_file() else DIST / load_recipe(image).image.name
