"""The JSON schemas of recipes, for editors and other programs.

``python -m images schema NAME`` prints one, and `docs/reference/schemas/` holds them as files.
"""

from __future__ import annotations

import json

from pydantic import BaseModel

from images.recipe.recipe import Image, Part

MODELS: dict[str, type[BaseModel]] = {"image": Image, "part": Part}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> str:
    """Return the schema of ``image`` or ``part`` as JSON text."""
    schema = MODELS[name].model_json_schema(by_alias=True)
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, sort_keys=True) + "\n"
