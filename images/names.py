"""Names that people type. Only the standard library is needed here, so that help is there before any environment is."""

from __future__ import annotations

from env.spec import ROOT

RECIPES = ROOT / "images" / "recipes"
"""Where this project's recipes are, a folder each."""
ABOUT = "a recipe's name, the folder of an OCI layout, an oci-archive or docker-archive, or REGISTRY/NAME:TAG"
EXPORT_FORMATS = ("oci-archive", "docker-archive")
REPORT_FORMATS = ("text", "json", "tap", "junit")
SCHEMAS = ("image", "part", "reference")
SHOWN = 40
"""How many lines `size` prints without ``--all``."""


def recipe_names() -> list[str]:
    """List this project's recipes."""
    return sorted(path.parent.name for path in RECIPES.glob("*/image.toml"))
