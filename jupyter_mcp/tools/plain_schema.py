"""JSON schemas in the words that every caller takes.

Function calling of several models refuses `anyOf` with null, `const`, `exclusiveMinimum`, `$ref` and lists of types
(Gemini's takes a subset of OpenAPI 3.0). So there are none: what may be left out is not required, and an explicit null
counts as left out. Titles and other words that tell a model nothing are gone too: all tools together must be short.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

REFUSED = frozenset(
    {
        "$defs",
        "$ref",
        "allOf",
        "anyOf",
        "const",
        "definitions",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "oneOf",
        "not",
        "patternProperties",
    }
)
_SILENT = frozenset({"$defs", "additionalProperties", "definitions", "title"})
_INSIDE = ("items", "additionalItems")
_LONGEST = 60  # characters of an example or a default that are kept


def plain_input(schema: Schema) -> Schema:
    """Return a tool's input schema in plain words."""
    return _plain(schema, schema.get("$defs", {}))


def plain_output(schema: Schema) -> Schema:
    """Return a tool's output schema without what is inside: no model is shown it, and the reference page has it."""
    if not schema.get("x-fastmcp-wrap-result"):
        return {"type": "object"}
    return {"type": "object", "properties": {"result": {}}, "x-fastmcp-wrap-result": True}


def _plain(schema: Schema, definitions: Schema, depth: int = 0) -> Schema:
    if depth > len(definitions) + 20:
        return {"type": "object"}  # a schema within itself
    schema = _resolved(schema, definitions)
    if "anyOf" in schema or "oneOf" in schema:
        schema = _one_of(schema, definitions)
    plain = {key: value for key, value in schema.items() if key not in _SILENT and not key.startswith("x-")}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in plain:
            plain[bound.lower()] = plain.pop(f"exclusive{bound}")
    if "default" in plain and (not plain["default"] or len(str(plain["default"])) > _LONGEST):
        del plain["default"]  # nothing, no, none: what leaving it out means anyway
    for key in _INSIDE:
        if isinstance(plain.get(key), dict):
            plain[key] = _plain(plain[key], definitions, depth + 1)
    if isinstance(plain.get("properties"), dict):
        plain["properties"] = {name: _plain(one, definitions, depth + 1) for name, one in plain["properties"].items()}
    return plain


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Return the schema with what it refers to in place; what stands beside the reference wins."""
    for _ in range(len(definitions) + 1):
        if "$ref" not in schema:
            break
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions.get(schema["$ref"].rsplit("/", 1)[-1], {}), **beside}
    return schema


def _one_of(schema: Schema, definitions: Schema) -> Schema:
    """Return the one kind that is not null; of several, what takes anything."""
    beside = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
    options = schema.get("anyOf") or schema.get("oneOf") or []
    kinds = [one for one in options if one.get("type") != "null"]
    if len(kinds) != 1:
        return beside
    return {**_resolved(kinds[0], definitions), **beside}
