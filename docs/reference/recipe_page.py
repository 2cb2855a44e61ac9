"""Print the reference of the recipe format, ``docs/reference/recipes.md``, made from the format's JSON schemas.

``./noxw -s images -- schema reference`` runs it. The messages in the page are what mistakes really get.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from images.errors import RecipeError
from images.recipe.checks import SECTIONS, VARIABLES, VERBS
from images.recipe.recipe import read_recipe
from images.recipe.schema import schema_of

Schema = Mapping[str, Any]

_HEAD = """# Recipes

<!-- Made by `./noxw -s images -- schema reference` from docs/reference/schemas/; do not edit. -->

An image is a folder with an `image.toml`, which lists parts; a part is a folder with a `part.toml`, and perhaps a
`rootfs/` whose files are copied as they are, owned by root. Both are data: neither can run a command. How to write one:
[build an image of your own](../how-to/build-your-own-image.md). The schemas, for editors and other programs:
[image](schemas/image.schema.json), [part](schemas/part.schema.json).

Keys are written with hyphens, and unknown ones are errors. A path begins with `/`. Parts add to what earlier parts say.
"""
_TABLES = {
    "Install": "[install]",
    "User": "[user]",
    "Directory": "[[directory]]",
    "Link": "[[link]]",
    "Join": "[[join]]",
    "Drop": "[[drop]]",
    "Service": "[service.NAME]",
    "Config": "[config]",
}
_MISTAKES = (
    ("image.toml", "parts = [", 'colour = "blue"\nparts = ['),
    ("image.toml", '"mine"', '"mein"'),
    ("image.toml", "2026-11-01T00:00:00Z", "2026-11-01T00:00:00"),
    ("image.toml", 'platforms = ["linux/amd64"]', "platforms = []"),
    ("parts/mine/part.toml", "uid = 1000", "uid = 0"),
    ("parts/mine/part.toml", '[user]\nname = "me"\nuid = 1000\ngid = 100\nhome = "/home/me"\n', ""),
    ("parts/mine/part.toml", 'path = "/data"', 'path = "data"'),
    ("parts/mine/part.toml", "command = ", "comand = "),
    ("parts/mine/part.toml", 'title = "Mine"', "title = Mine"),
)
_GOOD = {
    "image.toml": """name = "lab"
title = "Our lab"
description = "Our lab's image"
platforms = ["linux/amd64"]
environments = ["wheels"]
parts = ["mine"]
created = 2026-11-01T00:00:00Z
""",
    "parts/mine/part.toml": """title = "Mine"
[user]
name = "me"
uid = 1000
gid = 100
home = "/home/me"
[[directory]]
path = "/data"
[[check]]
id = "git"
scope = "build"
command = ["git", "--version"]
""",
}


def recipe_reference() -> str:
    """Return the page as Markdown."""
    image, part = (json.loads(schema_of(name)) for name in ("image", "part"))
    debian = image["$defs"]["Debian"]
    lines = [_HEAD, "## image.toml", "", *_table(image), "", "### [debian]", "", _said(debian), "", *_table(debian)]
    lines += ["", "## part.toml", "", *_table(part)]
    for name, heading in _TABLES.items():
        lines += ["", f"### {heading}", "", _said(part["$defs"][name]), "", *_table(part["$defs"][name])]
    return "\n".join([*lines, "", *_checks(part), "", *_errors()]) + "\n"


def _checks(part: Schema) -> Iterator[str]:
    verbs = {verb: part["$defs"][model.__name__] for verb, model in VERBS.items()}
    shared = {
        key: value
        for key, value in verbs["file"]["properties"].items()
        if all(other["properties"].get(key) == value for other in verbs.values())
    }
    sections = ", ".join(f"`{section}`" for section in SECTIONS)
    yield from ("## [[check]]", "")
    yield "A promise: these keys, and those of one verb. An image carries its checks in a label, in the sections"
    yield f"{sections}: [checks](checks.md)."
    yield from ("", *_table({"properties": shared, "required": verbs["file"]["required"]}))
    for verb, schema in verbs.items():
        own = {key: value for key, value in schema["properties"].items() if key not in shared}
        yield from ("", f"### {verb}", "", _said(schema), "", *_table({**schema, "properties": own}))
    yield from ("", "### Variables", "", "In the texts of checks, also within lists and tables:", "")
    yield from ("| variable | what |", "| --- | --- |")
    yield from (f"| `${{{name}}}` | {what} |" for name, what in VARIABLES.items())


def _table(schema: Schema) -> Iterator[str]:
    yield from ("| key | type | default | what |", "| --- | --- | --- | --- |")
    required = schema.get("required", ())
    # What must be there comes first.
    for key in sorted(schema["properties"], key=lambda key: key not in required):
        field = schema["properties"][key]
        default = "needed" if key in required else _default(field)
        yield f"| `{key}` | {_type(field)} | {default} | {_said(field)} |"


def _said(schema: Schema) -> str:
    return " ".join(str(schema["description"]).replace("``", "`").split())


def _default(field: Schema) -> str:
    match field.get("default"):
        case None | [] | {}:
            return ""
        case value if "$ref" in field or not isinstance(value, str | int | float):
            return ""
        case value:
            return f"`{json.dumps(value)}`"


def _type(field: Schema) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return "table: `contains`" if name == "Contains" else f"`{_TABLES.get(name, '[debian]')}`"
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    match field["type"]:
        case "array":
            return _many(field["items"], "list")
        case "object":
            values = field.get("additionalProperties")
            return _many(values, "table") if isinstance(values, dict) else "table"
        case _:
            return _scalar(field)


def _many(one: Schema, kind: str) -> str:
    if "oneOf" in one:
        return "`[[check]]`"
    return _type(one) if "$ref" in one else f"{kind} of {_type(one)}"


def _scalar(field: Schema) -> str:
    match field["type"]:
        case "string" if "pattern" in field:
            return "text like `" + str(field["pattern"]).replace("|", "\\|") + "`"
        case "string":
            return "time with a zone" if field.get("format") == "date-time" else "text"
        case "boolean":
            return "true or false"
        case kind:
            words = ["number" if kind == "number" else "whole number"]
            limits = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"))
            return " ".join([*words, *(f"{sign} {field[name]}" for name, sign in limits if name in field)])


def _errors() -> Iterator[str]:
    yield from ("## Mistakes", "", "A recipe that does not fit ends the command with exit code 65, and one line that")
    yield "names the file, the line and the key:"
    yield ""
    yield "```text"
    for file, old, new in _MISTAKES:
        yield _told(file, old, new)
    yield "```"


def _told(file: str, old: str, new: str) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "lab"
        for name, text in _GOOD.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(old, new, 1) if name == file else text, encoding="utf-8")
        try:
            read_recipe(folder)
        except RecipeError as error:
            return f"error: {error}".replace(f"{place}/", "")
    raise ValueError(f"{old!r} in place of {new!r} is no mistake")


if __name__ == "__main__":
    sys.stdout.write(recipe_reference())
