"""What the tools give back: the same in both channels, for hosts show their model the one or the other.

Structured content is what the output schema describes. The text says the same as compact JSON, behind the sentence or
list that the tool gave before there was anything beside it. Neither holds bytes: pictures are image blocks of the
content, and a marker in their place names the call that gets them (`brief`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, TextContent
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from jupyter_mcp.errors import TooLargeError
from jupyter_mcp.kernels.messages import clean

_BINARY = ("image/", "audio/", "video/", "application/pdf")
_LONGEST, _SHORTEST = 1 << 18, 1 << 9  # characters of one output, when a reply must be shortened
_REVISION = "Pass it as `expected` to be refused if the cell changed since"


class NotebookEntry(BaseModel):
    """A notebook below the root."""

    path: str
    name: str


class NewNotebook(NotebookEntry):
    """A notebook that was made, and the address of its empty cell."""

    cell_id: str
    revision: str = Field(description=_REVISION)


class Cell(BaseModel):
    """A cell as nbformat has it, its outputs in brief: text, and markers for what is no text."""

    model_config = ConfigDict(extra="allow")

    cell_type: Literal["code", "markdown", "raw"]
    source: str
    metadata: dict[str, Any]
    id: str = ""
    outputs: list[dict[str, Any]] = Field(default=[], description="nbformat outputs; code cells only")
    execution_count: int | None = None
    revision: str = Field(default="", description=_REVISION)
    error: str = Field(default="", description="What its last run raised")
    state: str = Field(default="", description="What its run is doing")


class CellReply(Cell):
    """A cell, and how to address it later."""

    index: int
    revision: str = Field(description=_REVISION)


class NotebookReply(BaseModel):
    """A notebook as nbformat 4 has it."""

    model_config = ConfigDict(extra="allow")

    cells: list[Cell]
    metadata: dict[str, Any]
    nbformat: int
    nbformat_minor: int
    cell_count: int = Field(default=0, description="Cells of the whole, if this is a part")
    left_out: str = Field(default="", description="What is not here, and the call that gets it")


class CellOutput(BaseModel):
    """One output: its nbformat `output_type` and the rest of it, in brief."""

    type: Literal["stream", "display_data", "execute_result", "error"]
    content: dict[str, Any]


class Written(BaseModel):
    """The cell that a tool wrote, as it is now."""

    id: str
    index: int
    revision: str = Field(default="", description=_REVISION)


class Ran(Written):
    """The cell that was run."""

    execution_count: int | None = None
    run: dict[str, Any] = Field(default={}, description="Of a run that goes on: its id (`run`), and what to call next")


class WatchReply(BaseModel):
    """Whether the notebook changed; the number of cells if it did."""

    changed: bool
    cell_count: int | None = None


class User(BaseModel):
    """Somebody connected now, a person or an agent."""

    id: str
    name: str


class Session(BaseModel):
    """An open collaboration room."""

    room_id: str


def schema(kind: Any, beside: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the output schema of a tool; what is no object is `result`, as FastMCP wraps it, with `beside` beside."""
    found = TypeAdapter(kind).json_schema(mode="serialization")
    if found.get("type") == "object":
        return found
    more = {} if beside is None else TypeAdapter(beside).json_schema(mode="serialization")
    definitions = {**found.pop("$defs", {}), **more.get("$defs", {})}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {"result": found, **more.get("properties", {})},
        "required": ["result"],
        "x-fastmcp-wrap-result": True,
    }
    return {**wrapped, "$defs": definitions} if definitions else wrapped


def reply(
    content: dict[str, Any] | list[Any] | str,
    limit: int | None = None,
    notices: Sequence[str] = (),
    *,
    beside: dict[str, Any] | None = None,
    pictures: Sequence[ImageContent] = (),
) -> ToolResult:
    """Return both channels of a reply, and its pictures; with `limit`, at most about so many bytes of JSON.

    `beside` is for a tool that returns a sentence or a list: more keys beside `result`, and a second block of text.
    `notices` are sentences for the model, at the end.
    Past the limit long outputs lose their middles, with a notice in place; raises TooLargeError if that is not enough.
    The text is left out where both channels together would be too long.
    """
    if not _encodable((content, beside)):
        content, beside = clean(content), clean(beside)
    if limit is not None:
        content = shortened(content, limit)
    wraps = not isinstance(content, dict)
    texts = [content if isinstance(content, str) else _json(content), *([_json(beside)] if beside else [])]
    structured: dict[str, Any] = content if isinstance(content, dict) else {"result": content}
    structured = {**structured, **(beside or {}), **({"notices": list(notices)} if notices else {})}
    # The text is JSON within JSON: its quotes and backslashes are escaped once more.
    size = (
        0
        if limit is None
        else _size([*texts, *notices]) + _size(structured) + sum(len(one.data) + 100 for one in pictures)
    )
    if limit is not None and size > limit:
        texts = [f"[{len(texts[0])} characters: see the structured content, or ask for less with start and count]"]
        pictures = ()
    # FastMCP marks a wrapped result so that its client unwraps it.
    meta = {"fastmcp": {"wrap_result": True}} if wraps else None
    blocks: list[ContentBlock] = [TextContent(type="text", text=text) for text in texts]
    told = [TextContent(type="text", text=notice) for notice in notices]
    return ToolResult(content=[*blocks, *pictures, *told], structured_content=structured, meta=meta)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _size(value: Any) -> int:
    """Return the bytes that a value takes in a reply, all escapes counted."""
    return len(_json(value).encode("utf-8", "replace"))


def _encodable(value: Any) -> bool:
    """Return whether a reply can be sent: half of a surrogate pair can't, NaN is no JSON."""
    try:
        json.dumps(value, ensure_ascii=False, default=str, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def shortened(content: Any, limit: int) -> Any:
    """Return `content` with its outputs cut so that it is at most `limit` bytes of JSON. Raises TooLargeError."""
    longest, cut = _LONGEST, content
    while (size := _size(cut)) > limit:
        if longest < _SHORTEST:
            raise TooLargeError(
                f"The reply would be {size} bytes, more than the {limit} that one can carry; "
                "read the notebook's cells one by one with get_cell."
            )
        cut = _cut(content, longest, inside=isinstance(content, list))
        longest //= 2
    return cut


def _cut(value: Any, longest: int, *, inside: bool) -> Any:
    if isinstance(value, list):
        return [_cut(item, longest, inside=inside) for item in value]
    if isinstance(value, dict):
        return {key: _cut_item(key, item, longest, inside=inside) for key, item in value.items()}
    if inside and isinstance(value, str) and len(value) > longest:
        left_out = len(value) - longest
        half = longest // 2
        return f"{value[:half]}\n[{left_out} characters left out of this reply; the notebook has them]\n{value[-half:]}"
    return value


def _cut_item(key: str, item: Any, longest: int, *, inside: bool) -> Any:
    if inside and isinstance(item, str) and len(item) > longest and key.startswith(_BINARY):
        return f"[{len(item)} characters left out of this reply; the notebook has them]"
    return _cut(item, longest, inside=inside or key == "outputs")
