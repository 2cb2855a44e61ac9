"""Tools for whole notebooks: read, create."""

from __future__ import annotations

from typing import Annotated

from fastmcp.tools import ToolResult
from pydantic import BeforeValidator, Field

from jupyter_mcp.replies.excerpt import Outputs, Wanted, excerpt
from jupyter_mcp.replies.replies import NewNotebook, NotebookReply, reply, schema
from jupyter_mcp.replies.reply_limits import reply_limit

from .parameters import READS, Path, hints
from .toolbox import Toolbox

# Once a boolean; taken still.
OutputsWanted = Annotated[
    Outputs, BeforeValidator(lambda given: {True: "brief", False: "none"}[given] if isinstance(given, bool) else given)
]


def offer_notebook_tools(tools: Toolbox) -> None:
    """Offer the tools for whole notebooks."""
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=hints("Read a notebook", **READS), output_schema=schema(NotebookReply))
    async def get_notebook(
        path: Path,
        start: Annotated[int, Field(description="First cell; negative from the end")] = 0,
        count: Annotated[int | None, Field(ge=1, description="Cells; none: to the end")] = None,
        outputs: Annotated[OutputsWanted, Field(description="full: whole texts, no bytes")] = "brief",
        outline: Annotated[bool, Field(description="Only id, type, first line")] = False,
        max_chars: Annotated[int, Field(ge=0, description="0: no limit; `left_out` says how to go on")] = 0,
    ) -> ToolResult:
        """Read a notebook (nbformat): its live content if it is open, else the file; ids, revisions, errors marked.

        Of a large one `outline` or `max_chars`, then a range or single cells.
        """
        await tools.admit(("read", "contents"))
        wanted = Wanted(start, count, outputs, outline, max_chars or None)
        content = await notebooks.get(path)
        return reply(await excerpt(content, wanted, await notebooks.states(path, content["cells"])), reply_limit())

    @server.tool(
        annotations=hints("Create a notebook", reads=False, destroys=False, repeatable=False),
        output_schema=schema(NewNotebook),
    )
    async def create_notebook(path: Path) -> ToolResult:
        """Create a notebook with one empty code cell, whose id it returns; makes missing folders; never overwrites."""
        await tools.admit(("write", "contents"))
        return reply(await notebooks.create(path))
