"""The MCP server: its instructions, its tools and resources, and its ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ResourceError, ToolError
from fastmcp.resources import ResourceResult
from fastmcp.tools import Tool, ToolResult
from fastmcp.utilities.versions import VersionSpec

from . import __version__
from .notebooks.notebooks import Notebooks
from .paths import LONGEST_PATH
from .probe import Part, works
from .tools.cell_tools import offer_cell_tools
from .tools.edit_tools import offer_edit_tools
from .tools.execution_tools import offer_execution_tools
from .tools.looking_tools import offer_looking_tools
from .tools.notebook_tools import offer_notebook_tools
from .tools.output_tools import offer_output_tools
from .tools.resources import offer_resources
from .tools.room_tools import offer_room_tools
from .tools.sdk_private import limit_bodies, low_level
from .tools.subscriptions import offer_subscriptions
from .tools.toolbox import Toolbox
from .tornado_asgi import ASGI_PATH
from .transport.boundary import LONGEST, request_boundary, resource_boundary, tool_boundary
from .transport.endpoint import ASGIApp
from .transport.json_first import deferring
from .transport.session_cap import SessionCap

INSTRUCTIONS = """\
Live Jupyter notebooks. People may have the same notebook open: every edit shows on their screens at \
once, and theirs in what you read. No need to open or save anything: the tools open a notebook's room \
when needed, and an edit is safe once its call has returned.

Address cells by `cell_id` (get_notebook and get_cell give it): indexes shift when somebody inserts or \
deletes. Pass `expected` (the `revision` that every read and write returns) when you change or run a cell you \
read before; if the call is refused, read the cell again and decide again. A cell that a person is typing in is \
theirs: update and delete are refused, work elsewhere; `over_person` is for what that person asked for.

Outputs are shown in brief, without bytes: a marker or notice says what was left out, and get_output gets it, \
pictures as pictures.

execute_cell runs on the notebook's own kernel, the one a person sees, and returns when the cell is \
done; give `timeout` for what may hang. An exception in the code is an output of type 'error', not a \
failed call. input() can't be answered."""

_LONGEST_URI = 4 * LONGEST_PATH  # each byte of a path may be three characters of a URI


class _Server(FastMCP[Any]):
    """A server whose tools stay what they are, so that a call needn't ask each provider for its tool again."""

    def __init__(self, *args: Any, root: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._root = root
        self._found: dict[str, Tool] = {}

    async def get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        """Give the tool of that name, None if there is none."""
        if version is not None:
            return await super().get_tool(name, version)
        if name not in self._found:
            tool = await super().get_tool(name)
            if tool is None:
                return None
            self._found[name] = tool
        return self._found[name]

    async def call_tool(self, name: str, *args: Any, run_middleware: bool = True, **options: Any) -> ToolResult:
        """Call a tool; whatever goes wrong is raised as ToolError with a short text, or as FastMCP's own errors."""
        if not run_middleware:
            return await super().call_tool(name, *args, run_middleware=False, **options)
        if len(name) > LONGEST:
            raise ToolError("Unknown tool")  # FastMCP would repeat the name, and log it
        call = super().call_tool(name, *args, **options)
        found: ToolResult = await tool_boundary(name, call, self._root)
        return found

    async def read_resource(self, uri: str, *, run_middleware: bool = True, **options: Any) -> ResourceResult:
        """Read a resource; whatever goes wrong is raised as ResourceError with a short text, or as FastMCP's own."""
        if not run_middleware:
            return await super().read_resource(uri, run_middleware=False, **options)
        if len(uri) > _LONGEST_URI:
            raise ResourceError(f"The URI has {len(uri)} characters; a notebook's has at most {_LONGEST_URI}.")
        found: ResourceResult = await resource_boundary(uri, super().read_resource(uri, **options), self._root)
        return found


def mcp_server(notebooks: Notebooks) -> Toolbox:
    """Return the MCP server over `notebooks` with all its tools; `Toolbox.server` is it."""
    # Only our own errors' words reach an agent; others are logged.
    server = _Server(
        "jupyter", version=__version__, instructions=INSTRUCTIONS, mask_error_details=True, root=notebooks.root
    )
    if works(Part.LOW_LEVEL):
        low_level(server).middleware.insert(0, request_boundary)
    tools = Toolbox(server, notebooks)
    for offer in (
        offer_notebook_tools,
        offer_looking_tools,
        offer_cell_tools,
        offer_edit_tools,
        offer_execution_tools,
        offer_output_tools,
        offer_room_tools,
        offer_resources,
        offer_subscriptions,
    ):
        offer(tools)
    return tools


def http_app(
    server: FastMCP[Any], *, max_body_bytes: int, max_sessions: int
) -> tuple[ASGIApp, Callable[[], AbstractAsyncContextManager[None]]]:
    """Give the server's ASGI application and its lifespan, for an Endpoint."""
    app = server.http_app(path=ASGI_PATH)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with app.lifespan(app):
            limit_bodies(app, ASGI_PATH, max_body_bytes)
            yield

    return SessionCap(deferring(app), max_sessions), lifespan
