"""The page of each tool's parameters with their types, and an example: docs/reference/tool-calls.md."""

from __future__ import annotations

import asyncio
import json
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyter_mcp.mcp_server import mcp_server

EXAMPLES = Path(__file__).with_name("tool_calls.json")
MOST = 1200  # characters of a reply that are shown
WIDTH = 118
_HEAD = """\
# Each tool, with an example

<!-- Made by `./noxw -s run -- python -m docs.reference` from the server's schemas; do not edit. -->

What `tools/list` says of each tool, and a call with what it really replied; all were made in turn on a new server. What
replies mean is in [the tools](tools.md). A parameter without a default is zero, false or not given. A call that is
refused is an MCP error (`isError`) whose text says what to do.
"""


def listed() -> list[dict[str, Any]]:
    """Return the tools as `tools/list` does, all of them."""
    notebooks: Any = SimpleNamespace(root="/nowhere", contents=None, rooms=None)
    nobody: Any = SimpleNamespace(runs=None)
    gate: Any = None
    made: Any = mcp_server(notebooks, nobody, nobody, gate=gate, undoing=gate, call_timeout=50, toolset="all").server
    made.toolbox = None  # no request, so nobody who asks
    found = asyncio.run(made.list_tools())
    return [one.to_mcp_tool(name=one.name).model_dump(mode="json", by_alias=True, exclude_none=True) for one in found]


def tool_calls(tools: Sequence[Mapping[str, Any]], examples: Sequence[Mapping[str, Any]]) -> str:
    """Return the page's text."""
    by_name = {example["tool"]: example for example in examples}
    return "\n".join([_HEAD, *(line for tool in tools for line in _tool(tool, by_name[tool["name"]]))]).rstrip() + "\n"


def _tool(tool: Mapping[str, Any], example: Mapping[str, Any]) -> Iterator[str]:
    hints = tool["annotations"]
    kind = "Adds or changes; takes nothing away."
    if hints["readOnlyHint"] or hints["destructiveHint"]:
        kind = "Changes nothing." if hints["readOnlyHint"] else "May replace or take away."
    yield from (f"## {tool['name']}", "", _escaped(tool["description"]), "", kind, "")
    schema = tool["inputSchema"]
    if parameters := schema.get("properties", {}):
        yield from ("| parameter | type | default | |", "| --- | --- | --- | --- |")
        for name, parameter in parameters.items():
            default = "needed" if name in schema.get("required", ()) else _default(parameter)
            yield f"| `{name}` | {_type(parameter)} | {default} | {_escaped(parameter.get('description', ''))} |"
        yield ""
    yield from ("```text", *_shown(example), "```", "")


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return {"object": "object", "integer": "whole number"}.get(
        schema.get("type", "any"), str(schema.get("type", "any"))
    )


def _default(schema: Mapping[str, Any]) -> str:
    return f"`{json.dumps(schema['default'])}`" if "default" in schema else ""


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _shown(example: Mapping[str, Any]) -> Iterator[str]:
    given = ", ".join(f"{name}={json.dumps(one, ensure_ascii=False)}" for name, one in example["arguments"].items())
    yield from textwrap.wrap(f"> {example['tool']}({given})", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    for text in example["reply"]:
        told = text if len(text) <= MOST else f"{text[:MOST]}…"
        for line in told.split("\n"):
            # With spaces, so that it can be wrapped.
            yield from textwrap.wrap(_spaced(line), WIDTH, break_on_hyphens=False) or [""]


def _spaced(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


def record() -> None:
    """Make each call on a new server, and keep what it replied."""
    from tests.live.conftest import Server  # noqa: PLC0415 - the page itself needs no server
    from tests.support.tool_examples import all_examples, as_json  # noqa: PLC0415

    async def work(server: Server) -> str:
        async with server.client() as client:
            return as_json(await all_examples(client))

    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), Path(home)).start()
        try:
            text = asyncio.run(work(server))
        finally:
            server.stop()
    EXAMPLES.write_text(text, encoding="utf-8")
