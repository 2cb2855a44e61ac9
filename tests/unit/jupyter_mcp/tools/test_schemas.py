"""What tools/list says, in words that every caller takes and few of them; and the arguments that come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, TypeAdapter, ValidationError

from jupyter_mcp.errors import BadArgumentError
from jupyter_mcp.mcp_server import mcp_server
from jupyter_mcp.suggestions import meant
from jupyter_mcp.tools.arguments import known_arguments
from jupyter_mcp.tools.parameters import CellIds
from jupyter_mcp.tools.plain_schema import REFUSED, plain_input, plain_output
from jupyter_mcp.tools.toolset import THIRTEEN

LONGEST = 16_000  # characters of tools/list


def server(tools: Any = "all") -> Any:
    notebooks: Any = SimpleNamespace(root="/nowhere", contents=None, rooms=None)
    gate: Any = None
    no_kernels: Any = SimpleNamespace(runs=None)
    made: Any = mcp_server(
        notebooks, no_kernels, no_kernels, gate=gate, undoing=gate, call_timeout=50, toolset=tools
    ).server
    made.toolbox = None  # no request, so nobody who asks
    return made


def listed(tools: Any = "all") -> list[dict[str, Any]]:
    found = asyncio.run(server(tools).list_tools())
    return [one.to_mcp_tool(name=one.name).model_dump(mode="json", by_alias=True, exclude_none=True) for one in found]


ALL = listed()


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all that are within it."""
    if isinstance(value, dict):
        yield value
        for key, one in value.items():
            yield from (
                (inner for part in one.values() for inner in schemas(part)) if key == "properties" else schemas(one)
            )
    elif isinstance(value, list):
        for one in value:
            yield from schemas(one)


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool["name"])
def test_a_tools_schemas_have_no_word_that_a_caller_refuses(tool: dict[str, Any]) -> None:
    for schema in (tool["inputSchema"], tool.get("outputSchema", {})):
        for one in schemas(schema):
            assert not REFUSED & set(one), one
            assert not isinstance(one.get("type"), list), one
            assert one.get("default", "") is not None, one
            assert None not in one.get("enum", ()), one
    assert tool["inputSchema"]["type"] == "object"
    for name, parameter in tool["inputSchema"].get("properties", {}).items():
        assert "type" in parameter, name


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool["name"])
def test_a_tool_says_what_it_does_to_notebooks_once(tool: dict[str, Any]) -> None:
    assert tool["description"]
    assert set(tool["annotations"]) == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    assert not {"_meta", "title"} & set(tool)


def test_all_tools_together_are_short() -> None:
    sizes = {tool["name"]: len(json.dumps(tool, separators=(",", ":"))) for tool in ALL}
    assert sum(sizes.values()) <= LONGEST, f"say more in fewer words: {sizes}"


class Inner(BaseModel):
    """A part."""

    kind: str = "a"
    inner: Inner | None = None


def test_references_unions_with_null_constants_and_open_bounds_are_said_plainly() -> None:
    schema = {
        "properties": {
            "a": {
                "anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}],
                "default": None,
                "title": "A",
            },
            "b": {"const": "x"},
            "c": {"$ref": "#/$defs/C", "description": "C"},
            "d": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "title": {"type": "string", "default": "t"},
            "f": {"type": "boolean", "default": False},
            "e": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}]}},
        },
        "$defs": {"C": {"enum": [1, 2], "type": "integer", "title": "C"}},
        "additionalProperties": False,
        "type": "object",
    }
    assert plain_input(schema) == {
        "properties": {
            "a": {"type": "integer", "minimum": 0},
            "b": {"enum": ["x"]},
            "c": {"enum": [1, 2], "type": "integer", "description": "C"},
            "d": {},
            "title": {"type": "string", "default": "t"},
            "f": {"type": "boolean"},
            "e": {"type": "array", "items": {"enum": [1, 2], "type": "integer"}},
        },
        "type": "object",
    }


def test_a_schema_within_itself_has_an_end() -> None:
    plain = plain_input(TypeAdapter(Inner).json_schema())
    assert not any(REFUSED & set(one) for one in schemas(plain))
    assert plain_output({"type": "object", "properties": {"a": {}}, "title": "A"}) == {"type": "object"}


PARAMETERS = {"properties": {"path": {}, "cell_id": {}, "source": {}, "timeout": {}}, "required": ["path"]}


def test_nulls_count_as_left_out_and_falsy_values_do_not() -> None:
    assert known_arguments("t", {"path": "a", "cell_id": None, "source": "", "timeout": 0}, PARAMETERS) == {
        "path": "a",
        "source": "",
        "timeout": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "a", "cellId": "x"}, r"'cellId' \(did you mean 'cell_id'\?\)"),
        ({"notebook_path": "a"}, r"'notebook_path' \(did you mean 'path'\?\)"),
        ({"path": "a", "content": "x"}, r"'content' \(did you mean 'source'\?\)"),
        ({"path": "a", "tiemout": 3}, "'timeout'"),
        ({"path": "a", "xyzzy": 3}, "Unknown: 'xyzzy'. It takes path, cell_id, source, timeout"),
        ({"path": "a", "x" * 10_000: None}, "Unknown: 'xxx"),
        ({}, "t needs `path`"),
        ({"path": None}, "t needs `path`"),
    ],
)
def test_an_unknown_or_missing_argument_is_named_with_what_was_meant(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArgumentError, match=said) as caught:
        known_arguments("t", arguments, PARAMETERS)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "known", "wanted"),
    [
        ("cell_index", ["path", "cell_id", "index"], "index"),
        ("cell", ["path", "index", "cell_id"], "index"),
        ("cell_ids", ["path", "cells"], "cells"),
        ("cellid", ["index", "cell_id"], "cell_id"),
        ("sources", ["path", "source"], "source"),
    ],
)
def test_what_is_meant_is_told_by_meaning_before_it_is_by_letters(name: str, known: list[str], wanted: str) -> None:
    assert meant(name, known) == wanted


@pytest.mark.parametrize("cells", [[0, 1], "all", "a-cell", 3])
def test_cells_that_are_no_list_of_ids_are_told_where_indexes_go(cells: object) -> None:
    with pytest.raises(ValidationError, match=r"`start` and `stop`.*leave it out to run all"):
        TypeAdapter(CellIds).validate_python(cells)
    assert TypeAdapter(CellIds).validate_python('["a"]') == ["a"]


def test_nothing_is_meant_by_what_is_like_nothing() -> None:
    assert meant("xyzzy", ["path", "index"]) is None


def test_a_wrong_type_is_told_in_a_line_without_a_link() -> None:
    with pytest.raises(ToolError, match=r"^get_cell: `index`: Input should be a valid integer") as caught:
        asyncio.run(server().call_tool("get_cell", {"path": "a.ipynb", "index": "first"}))
    assert "http" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_offers_all_tools_the_thirteen_the_readers_or_those_that_are_named() -> None:
    names = {tool["name"] for tool in ALL}
    assert set(THIRTEEN) < names
    assert {tool["name"] for tool in listed("thirteen")} == set(THIRTEEN)
    readers = listed("readers")
    assert {tool["name"] for tool in readers} == {
        tool["name"] for tool in ALL if tool["annotations"]["readOnlyHint"] is True
    }
    assert "get_notebook" in {tool["name"] for tool in readers}
    assert "update_cell" not in {tool["name"] for tool in readers}
    assert {tool["name"] for tool in listed("get_cell, edit_notebook")} == {"get_cell", "edit_notebook"}
    assert {tool["name"] for tool in listed(["readers", "update_cell"])} == {
        *(tool["name"] for tool in readers),
        "update_cell",
    }


def test_a_tool_that_is_left_out_can_not_be_called() -> None:
    with pytest.raises(Exception, match="Unknown tool"):
        asyncio.run(server("readers").call_tool("delete_cell", {"path": "a.ipynb", "index": 0}))


def test_a_name_that_is_no_tool_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert [tool["name"] for tool in listed(["get_cel", "get_cell"])] == ["get_cell"]
    assert "'get_cel' (did you mean 'get_cell'?)" in caplog.text
