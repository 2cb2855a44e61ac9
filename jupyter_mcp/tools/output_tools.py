"""The tool that gets one output whole: a picture as a picture, text by ranges."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, TextContent
from pydantic import Field

from jupyter_mcp.errors import BadCellError
from jupyter_mcp.kernels.messages import Output, clean
from jupyter_mcp.replies.pictures import PICTURES, NoPictureError, picture
from jupyter_mcp.replies.readable import as_text, is_binary, joined, kilobytes, readable, traceback_lines

from .parameters import READS, Path, hints
from .toolbox import Toolbox

RANGE = 8000  # characters of a text in one reply; some hosts cut at 10,000


def offer_output_tools(tools: Toolbox) -> None:
    """Offer the tool that gets outputs."""

    # Without structured content: some hosts show their model nothing else where there is any.
    @tools.server.tool(annotations=hints("Get an output", **READS), output_schema=None)
    async def get_output(
        path: Path,
        cell_id: str,
        output: Annotated[int, Field(description="From 0; negative from the end")] = 0,
        start: Annotated[int, Field(ge=0, description="The first character of a text")] = 0,
        mime_type: Annotated[str, Field(description="Which form of it; empty: picture, else the best text")] = "",
    ) -> ToolResult:
        """Get one output of a cell whole: a picture as an image, text 8,000 characters from `start`."""
        await tools.admit(("read", "contents"))
        cell = await tools.notebooks.cell(path, None, cell_id)
        outputs: list[Output] = cell.get("outputs") or []
        if not -len(outputs) <= output < len(outputs):
            had = f"{len(outputs)}, 0 to {len(outputs) - 1}" if outputs else "none"
            raise BadCellError(f"No output {output}: cell {cell['index']} has {had}.")
        blocks = await asyncio.to_thread(whole_output, outputs[output], start, mime_type)
        return ToolResult(content=blocks)


def whole_output(output: Output, start: int = 0, mime_type: str = "") -> list[ContentBlock]:
    """Return an output as content; a text from `start` on, with what is left. Raises BadCellError."""
    kind = output.get("output_type")
    if kind == "stream":
        return _range(as_text("", joined(output.get("text"))), start)
    if kind == "error":
        raised = as_text("", f"{output.get('ename', 'Error')}: {output.get('evalue', '')}")
        return _range("\n".join([raised, *traceback_lines(output)]), start)
    found = output.get("data")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    if mime_type and mime_type not in data:
        raise BadCellError(f"The output has no {mime_type}; it has {', '.join(data) or 'nothing'}.")
    mime = mime_type or next((one for one in PICTURES if one in data), "")
    if mime and is_binary(mime):
        return [_picture(mime, joined(data[mime]))]
    if mime:
        return _range(as_text(mime, data[mime]), start)
    best = readable(output, whole=True)
    if not best.text and data:
        mime = next(iter(data))
        return [_picture(mime, joined(data[mime]))] if is_binary(mime) else _range(as_text(mime, data[mime]), start)
    return _range(best.text, start)


def _picture(mime: str, data: str) -> ContentBlock:
    size = kilobytes(len(data) * 3 // 4)
    if mime not in PICTURES:
        return TextContent(type="text", text=f"[{mime}, {size}: bytes that no model reads; the notebook has them]")
    try:
        return picture(data).block()
    except NoPictureError as error:
        return TextContent(type="text", text=f"[{mime}, {size}: {error}]")


def _range(text: str, start: int) -> list[ContentBlock]:
    part = str(clean(text[start : start + RANGE]))
    end, total = min(start + RANGE, len(text)), len(text)
    blocks: list[ContentBlock] = [TextContent(type="text", text=part)] if part or not start else []
    if start or end < total:
        left = f"{total - end} left: start={end}" if end < total else "this is the end"
        said = (
            f"[characters {start} to {end} of {total}; {left}]" if start < total else f"[there are {total} characters]"
        )
        blocks.append(TextContent(type="text", text=said))
    return blocks
