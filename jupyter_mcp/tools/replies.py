"""What the tools give back: typed for programs, short for models.

A reply has two forms. The structured one is exact and is what the output schema describes. The text
is what most hosts show to their model: the same as compact JSON, but pictures go beside it as image
blocks, since base64 in text costs a hundred thousand tokens and shows nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Literal

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, TextContent
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from jupyter_mcp.errors import TooLargeError
from jupyter_mcp.kernels.messages import clean

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BINARY = ("image/", "audio/", "video/", "application/pdf")
_LONGEST, _SHORTEST = 1 << 18, 1 << 9  # characters of one output, when a reply must be shortened
_LONG = 2000  # characters of another binary representation that are shown


class NotebookEntry(BaseModel):
    """A notebook below the root."""

    path: str
    name: str


class Cell(BaseModel):
    """A cell as nbformat has it."""

    model_config = ConfigDict(extra="allow")

    cell_type: Literal["code", "markdown", "raw"]
    source: str
    metadata: dict[str, Any]
    id: str = ""
    outputs: list[dict[str, Any]] | None = Field(default=None, description="nbformat outputs; code cells only")
    execution_count: int | None = None


class CellReply(Cell):
    """A cell, and how to address it later."""

    index: int
    revision: str = Field(description="Pass it as `expected` to be refused if the cell changed since")


class NotebookReply(BaseModel):
    """A notebook as nbformat 4 has it."""

    model_config = ConfigDict(extra="allow")

    cells: list[Cell]
    metadata: dict[str, Any]
    nbformat: int
    nbformat_minor: int


class CellOutput(BaseModel):
    """One output: its nbformat `output_type` and the rest of it."""

    type: Literal["stream", "display_data", "execute_result", "error"]
    content: dict[str, Any]


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


def schema(kind: Any) -> dict[str, Any]:
    """Give the output schema of a tool; a list is below `result`, as FastMCP wraps it."""
    found = TypeAdapter(kind).json_schema(mode="serialization")
    if found.get("type") == "object":
        return found
    definitions = found.pop("$defs", {})
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {"result": found},
        "required": ["result"],
        "x-fastmcp-wrap-result": True,
    }
    return {**wrapped, "$defs": definitions} if definitions else wrapped


def reply(content: dict[str, Any] | list[Any], limit: int | None = None, notices: Sequence[str] = ()) -> ToolResult:
    """Return both forms of a reply; with `limit`, at most about so many bytes of JSON.

    `notices` become texts of their own beside it, which the structured form does not have.
    Past the limit long outputs lose their middles, with a notice in place; raises TooLargeError if
    that is not enough. The text is left out where both forms together would be too long.
    """
    if not _encodable(content):
        content = clean(content)
    if limit is not None:
        content = shortened(content, limit)
    pictures: list[ContentBlock] = []
    text = _json(_for_model(content, pictures))
    structured = {"result": content} if isinstance(content, list) else content
    # The text is JSON within JSON: its quotes and backslashes are escaped once more.
    if limit is not None and _size(text) + _size(structured) + sum(_size(one.model_dump()) for one in pictures) > limit:
        text, pictures = f"[{len(text)} characters: see the structured content, or read single cells with get_cell]", []
    # FastMCP marks a wrapped result so that its client unwraps it.
    meta = {"fastmcp": {"wrap_result": True}} if isinstance(content, list) else None
    blocks = [TextContent(type="text", text=text), *pictures]
    blocks += [TextContent(type="text", text=notice) for notice in notices]
    return ToolResult(content=blocks, structured_content=structured, meta=meta)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _size(value: Any) -> int:
    """Return the bytes that a value takes in a reply, all escapes counted."""
    return len(_json(value).encode("utf-8", "replace"))


def _encodable(value: Any) -> bool:
    """Tell whether a reply can be sent: half of a surrogate pair can't, NaN is no JSON."""
    try:
        json.dumps(value, ensure_ascii=False, default=str, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def shortened(content: Any, limit: int) -> Any:
    """Give `content` with its outputs cut so that it is at most `limit` bytes of JSON. Raises TooLargeError."""
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


def _for_model(value: Any, pictures: list[ContentBlock]) -> Any:
    if isinstance(value, list):
        return [_for_model(item, pictures) for item in value]
    if isinstance(value, dict):
        return {key: _payload(key, item, pictures) for key, item in value.items()}
    return value


def _payload(key: str, item: Any, pictures: list[ContentBlock]) -> Any:
    if isinstance(item, str) and key in PICTURES and (data := _base64(item)):
        pictures.append(ImageContent(type="image", data=data, mime_type=key))
        return f"[image {len(pictures)} of this reply]"
    if (
        isinstance(item, str)
        and len(item) > _LONG
        and (key.startswith(("image/", "audio/", "video/")) or key == "application/pdf")
    ):
        return f"[{len(item)} characters; the structured content has them]"
    return _for_model(item, pictures)


def _base64(data: str) -> str | None:
    """Give base64 without its line breaks, or None if it is none."""
    joined = "".join(data.split())
    try:
        base64.b64decode(joined, validate=True)
    except binascii.Error:
        return None
    return joined
