"""Tools for whole notebooks: read, create."""

from __future__ import annotations

from typing import Annotated

from fastmcp.tools import ToolResult
from pydantic import Field

from .excerpt import Wanted, excerpt
from .parameters import READS, Path, hints
from .replies import NotebookEntry, NotebookReply, reply, schema
from .reply_limits import reply_limit
from .toolbox import Toolbox


def offer_notebook_tools(tools: Toolbox) -> None:
    """Offer the tools for whole notebooks."""
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=hints("Read a notebook", **READS), output_schema=schema(NotebookReply))
    async def get_notebook(
        path: Path,
        start: Annotated[int, Field(description="The first cell; negative counts from the end")] = 0,
        count: Annotated[int | None, Field(ge=1, description="The most cells; none: to the end")] = None,
        outputs: Annotated[bool, Field(description="With the outputs of code cells")] = True,
        outline: Annotated[bool, Field(description="Of each cell only id, type and first line")] = False,
    ) -> ToolResult:
        """Read a notebook (nbformat): its live content if it is open, else the file.

        Large with outputs in it. For a large one ask for an `outline`, then for a range of cells, or for single
        cells with get_cell; `cell_count` then says how many there are.
        """
        await tools.admit(("read", "contents"))
        return reply(excerpt(await notebooks.get(path), Wanted(start, count, outputs, outline)), reply_limit())

    @server.tool(
        annotations=hints("Create a notebook", reads=False, destroys=False, repeatable=False),
        output_schema=schema(NotebookEntry),
    )
    async def create_notebook(path: Path) -> ToolResult:
        """Create a notebook with one empty code cell; makes missing folders; never overwrites."""
        await tools.admit(("write", "contents"))
        return reply(await notebooks.create(path))
