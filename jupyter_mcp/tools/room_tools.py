"""Tools for collaboration rooms and who is in them."""

from __future__ import annotations

from typing import Annotated

from fastmcp.tools import ToolResult
from pydantic import Field

from jupyter_mcp.replies.replies import Session, User, WatchReply, reply, schema

from .parameters import READS, Path, hints
from .toolbox import Toolbox, client_gone


def offer_room_tools(tools: Toolbox) -> None:
    """Offer the tools for rooms."""
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=hints("Open a room", reads=False, destroys=False, repeatable=True))
    async def open_notebook_session(path: Path) -> str:
        """Open the notebook's room. Optional: tools open it when needed."""
        await tools.admit(("write", "contents"))
        opened, lost = await notebooks.open(path)
        # For a person to look at: nothing can be said about what is in it.
        note = f". Edits from before a crash may be missing: {', '.join(lost)} in the journal folder can't be read"
        return f"Collaboration room opened for {opened}{note if lost else ''}"

    @server.tool(annotations=hints("Close a room", reads=False, destroys=False, repeatable=True))
    async def close_notebook_session(path: Path) -> str:
        """Save the notebook; close its room unless people or running cells are in it."""
        await tools.admit(("write", "contents"))
        closed, gone = await notebooks.close(path)
        return f"Collaboration room closed for {closed}{'' if gone else ' (saved; still in use)'}"

    @server.tool(annotations=hints("Watch a notebook", **READS), output_schema=schema(WatchReply))
    async def watch_notebook(
        path: Path,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float, Field(gt=0, le=3600, description="Seconds to wait")
        ] = 30,
    ) -> ToolResult:
        """Wait until anybody changes the notebook's cells or metadata, or until the timeout."""
        await tools.admit(("read", "contents"))
        count = await notebooks.watch(path, timeout, client_gone())
        return reply({"changed": False} if count is None else {"changed": True, "cell_count": count})

    @server.tool(annotations=hints("Who is here", **READS), output_schema=schema(list[User]))
    async def get_active_users() -> ToolResult:
        """List the people with a notebook open and the agents of the last five minutes, you too."""
        await tools.admit(("read", "contents"))
        return reply(tools.users())

    @server.tool(annotations=hints("Open rooms", **READS), output_schema=schema(list[Session]))
    async def get_active_sessions() -> ToolResult:
        """List the collaboration rooms that are open now."""
        await tools.admit(("read", "contents"))
        return reply([{"room_id": room_id} for room_id in notebooks.rooms.open_rooms()])
