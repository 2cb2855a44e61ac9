"""Tools that read and edit cells."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastmcp.tools import ToolResult
from pydantic import Field

from jupyter_mcp.replies.excerpt import cell_in_brief
from jupyter_mcp.replies.replies import CellReply, Written, reply, schema
from jupyter_mcp.replies.reply_limits import reply_limit

from .accepted import with_its_run
from .parameters import READS, CellId, CellType, Expected, Index, OverPerson, Path, hints
from .toolbox import Toolbox


def offer_cell_tools(tools: Toolbox) -> None:
    """Offer the tools that read and edit cells."""
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=hints("Read a cell", **READS), output_schema=schema(CellReply))
    async def get_cell(path: Path, index: Index = None, cell_id: CellId = None) -> ToolResult:
        """Read one cell, with its id, index, revision, and state if it runs.

        Outputs are in brief, their pictures beside. get_output gets one whole.
        """
        await tools.admit(("read", "contents"))
        cell, pictures = await cell_in_brief(await notebooks.cell(path, index, cell_id))
        return reply(cell, reply_limit(), pictures=pictures)

    @server.tool(
        annotations=hints("Change a cell", reads=False, destroys=True, repeatable=True),
        output_schema=schema(str, Written),
    )
    async def update_cell(
        path: Path,
        index: Index = None,
        *,
        source: Annotated[str, Field(description="The whole new source")],
        cell_type: CellType | None = None,
        cell_id: CellId = None,
        expected: Expected = None,
        over_person: OverPerson = False,
    ) -> ToolResult:
        """Replace a cell's source (and type, if given). Keeps its id and, unless the type changes, its outputs."""
        await tools.admit(("write", "contents"))
        at = await notebooks.update(path, index, source, cell_type, cell_id, expected, over_person=over_person)
        return await with_its_run(tools, path, reply(f"Cell {at.index} updated", beside=asdict(at)))

    @server.tool(
        annotations=hints("Insert a cell", reads=False, destroys=False, repeatable=False),
        output_schema=schema(str, Written),
    )
    async def insert_cell(
        path: Path,
        index: Annotated[int | None, Field(description="-1: at the end")] = None,
        *,
        source: str,
        cell_type: CellType = "code",
        cell_id: Annotated[str | None, Field(description="Insert before this cell")] = None,
        expected: Annotated[str | None, Field(description="`revision` of the cell now there")] = None,
    ) -> ToolResult:
        """Insert a cell before the one at `index` or with `cell_id`."""
        await tools.admit(("write", "contents"))
        at = await notebooks.insert(path, index, source, cell_type, cell_id, expected)
        return await with_its_run(tools, path, reply(f"Cell inserted at index {at.index}", beside=asdict(at)))

    @server.tool(
        annotations=hints("Delete a cell", reads=False, destroys=True, repeatable=False),
        output_schema=schema(str, Written),
    )
    async def delete_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        *,
        over_person: OverPerson = False,
    ) -> ToolResult:
        """Delete a cell. Later cells move up by one."""
        await tools.admit(("write", "contents"))
        at = await notebooks.delete(path, index, cell_id, expected, over_person=over_person)
        return reply(f"Cell {at.index} deleted", beside={"id": at.id, "index": at.index})
