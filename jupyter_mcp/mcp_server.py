"""The thirteen tools: one typed function each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Literal

from fastmcp import FastMCP
from fastmcp.exceptions import ResourceError, ToolError
from fastmcp.resources import ResourceResult
from fastmcp.server.dependencies import get_context, get_http_request
from fastmcp.tools import Tool, ToolResult
from fastmcp.utilities.versions import VersionSpec
from mcp.types import ToolAnnotations
from pydantic import Field

from . import __version__
from .notebooks.notebooks import Notebooks
from .paths import LONGEST_PATH
from .tools.agents import Agent, Agents
from .tools.excerpt import Wanted, excerpt
from .tools.replies import CellOutput, CellReply, NotebookEntry, NotebookReply, Session, User, WatchReply, reply, schema
from .tools.reply_limits import reply_limit
from .tools.resources import offer_resources
from .tools.sdk_private import limit_bodies, low_level
from .tools.subscriptions import offer_subscriptions
from .tornado_asgi import ASGI_PATH, DISCONNECT_KEY
from .transport.auth import Action, caller, fingerprint
from .transport.boundary import LONGEST, request_boundary, resource_boundary, tool_boundary
from .transport.endpoint import ASGIApp
from .transport.json_first import deferring
from .transport.session_cap import SessionCap

CellType = Literal["code", "markdown", "raw"]
Path = Annotated[str, Field(description="Notebook path below the server's root, e.g. 'a/b.ipynb'")]
Index = Annotated[int | None, Field(description="Cell position from 0; negative counts from the end")]
CellId = Annotated[str | None, Field(description="The cell's id; lasting, wins over `index`; prefer it")]
Expected = Annotated[
    str | None,
    Field(description="`revision` from get_cell; the call is refused if the cell's type or source changed since"),
]

OverPerson = Annotated[
    bool, Field(description="Do it also while a person is typing in the cell; without, the call is refused")
]

INSTRUCTIONS = """\
Live Jupyter notebooks. People may have the same notebook open: every edit shows on their screens at \
once, and theirs in what you read. No need to open or save anything: the tools open a notebook's room \
when needed, and an edit is safe once its call has returned.

Address cells by `cell_id` (get_notebook and get_cell give it): indexes shift when somebody inserts or \
deletes. Pass `expected` (the `revision` from get_cell) when you change or run a cell you read before; \
if the call is refused, read the cell again and decide again. A cell that a person is typing in is \
theirs: update and delete are refused, work elsewhere; `over_person` is for what that person asked for.

execute_cell runs on the notebook's own kernel, the one a person sees, and returns when the cell is \
done; give `timeout` for what may hang. An exception in the code is an output of type 'error', not a \
failed call. input() can't be answered."""


def _hints(title: str, *, reads: bool, destroys: bool, repeatable: bool, world: bool = False) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destroys,
        idempotent_hint=repeatable,
        open_world_hint=world,
    )


_LONGEST_URI = 4 * LONGEST_PATH  # each byte of a path may be three characters of a URI
_READS: dict[str, bool] = {"reads": True, "destroys": False, "repeatable": True}


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


class Tools:
    """The MCP server over `notebooks`; `server` is it."""

    def __init__(self, notebooks: Notebooks) -> None:
        self._notebooks = notebooks
        self._agents = Agents()
        # Only our own errors' words reach an agent; others are logged.
        self.server: FastMCP[Any] = _Server(
            "jupyter", version=__version__, instructions=INSTRUCTIONS, mask_error_details=True, root=notebooks.root
        )
        low_level(self.server).middleware.insert(0, request_boundary)
        _notebook_tools(self)
        _cell_tools(self)
        _execution_tools(self)
        _room_tools(self)
        offer_resources(self)
        offer_subscriptions(self)

    async def admit(self, *wanted: tuple[Action, str]) -> Agent:
        """Ask the server's Authorizer for each action; gives who asks."""
        asking = caller()
        for action, resource in wanted:
            await asking.require(action, resource)
        params = getattr(get_context().session, "client_params", None)
        client = getattr(getattr(params, "client_info", None), "name", None) or "agent"
        session = get_http_request().headers.get("mcp-session-id", "")
        agent = Agent(f"agent-{fingerprint(f'{asking.key} {client} {session}')[:12]}", f"{client} ({asking.name})")
        if asking.shared:
            agent = Agent(agent.id, client)  # Jupyter makes up a new name for each request
        self._agents.saw(agent)
        return agent

    @property
    def notebooks(self) -> Notebooks:
        """The operations behind the tools."""
        return self._notebooks

    def users(self) -> list[dict[str, str]]:
        """Give the people in the rooms and the agents here, each once."""
        agents = [{"id": agent.id, "name": agent.name} for agent in self._agents.here()]
        return [*self._notebooks.rooms.people(), *agents]


def _gone() -> asyncio.Event:
    event = get_http_request().scope.get(DISCONNECT_KEY)
    return event if isinstance(event, asyncio.Event) else asyncio.Event()


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


def _notebook_tools(tools: Tools) -> None:
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=_hints("List notebooks", **_READS), output_schema=schema(list[NotebookEntry]))
    async def list_notebooks() -> ToolResult:
        """List every notebook below the server's root, except in hidden folders."""
        await tools.admit(("read", "contents"))
        return reply(await notebooks.list_all(), reply_limit())

    @server.tool(annotations=_hints("Read a notebook", **_READS), output_schema=schema(NotebookReply))
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
        annotations=_hints("Create a notebook", reads=False, destroys=False, repeatable=False),
        output_schema=schema(NotebookEntry),
    )
    async def create_notebook(path: Path) -> ToolResult:
        """Create a notebook with one empty code cell; makes missing folders; never overwrites."""
        await tools.admit(("write", "contents"))
        return reply(await notebooks.create(path))


def _cell_tools(tools: Tools) -> None:
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=_hints("Read a cell", **_READS), output_schema=schema(CellReply))
    async def get_cell(path: Path, index: Index = None, cell_id: CellId = None) -> ToolResult:
        """Read one cell: source, cell_type, metadata, outputs, id, index and revision."""
        await tools.admit(("read", "contents"))
        return reply(await notebooks.cell(path, index, cell_id), reply_limit())

    @server.tool(annotations=_hints("Change a cell", reads=False, destroys=True, repeatable=True))
    async def update_cell(
        path: Path,
        index: Index = None,
        *,
        source: Annotated[str, Field(description="The whole new source")],
        cell_type: CellType | None = None,
        cell_id: CellId = None,
        expected: Expected = None,
        over_person: OverPerson = False,
    ) -> str:
        """Replace a cell's source (and type, if given). Keeps its id and, unless the type changes, its outputs."""
        await tools.admit(("write", "contents"))
        at = await notebooks.update(path, index, source, cell_type, cell_id, expected, over_person=over_person)
        return f"Cell {at} updated"

    @server.tool(annotations=_hints("Insert a cell", reads=False, destroys=False, repeatable=False))
    async def insert_cell(
        path: Path,
        index: Annotated[int | None, Field(description="Position; -1 or the cell count mean the end")] = None,
        *,
        source: str,
        cell_type: CellType = "code",
        cell_id: Annotated[
            str | None, Field(description="Insert before the cell with this id; wins over `index`")
        ] = None,
        expected: Annotated[
            str | None, Field(description="`revision` of the cell that is inserted before; refused if it changed")
        ] = None,
    ) -> str:
        """Insert a cell before the one at `index` or with `cell_id`."""
        await tools.admit(("write", "contents"))
        at = await notebooks.insert(path, index, source, cell_type, cell_id, expected)
        return f"Cell inserted at index {at}"

    @server.tool(annotations=_hints("Delete a cell", reads=False, destroys=True, repeatable=False))
    async def delete_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        *,
        over_person: OverPerson = False,
    ) -> str:
        """Delete a cell. Later cells move up by one."""
        await tools.admit(("write", "contents"))
        at = await notebooks.delete(path, index, cell_id, expected, over_person=over_person)
        return f"Cell {at} deleted"


def _execution_tools(tools: Tools) -> None:
    @tools.server.tool(
        annotations=_hints("Run a cell", reads=False, destroys=True, repeatable=False, world=True),
        output_schema=schema(list[CellOutput]),
    )
    async def execute_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float | None,
            Field(gt=0, description="Seconds to wait for the kernel, and as long to run; then it is interrupted"),
        ] = None,
    ) -> ToolResult:
        """Run a code cell on the notebook's kernel and give its outputs, which everyone sees live.

        An exception in the code is an output of type 'error', not a failed call. input() is refused.
        """
        # Running writes outputs, so it takes both rights.
        await tools.admit(("execute", "kernels"), ("write", "contents"))

        context = get_context()

        async def progress(seconds: float, message: str) -> None:
            await context.report_progress(seconds, message=message)

        outputs = await tools.notebooks.execute(
            path, index, cell_id=cell_id, expected=expected, seconds=timeout, gone=_gone(), progress=progress
        )
        return reply(
            [
                {
                    "type": output["output_type"],
                    "content": {key: item for key, item in output.items() if key not in ("output_type", "transient")},
                }
                for output in outputs
            ],
            reply_limit(streams=True),
        )


def _room_tools(tools: Tools) -> None:
    server, notebooks = tools.server, tools.notebooks

    @server.tool(annotations=_hints("Open a room", reads=False, destroys=False, repeatable=True))
    async def open_notebook_session(path: Path) -> str:
        """Open the notebook's collaboration room. Optional: cell tools open it when needed."""
        await tools.admit(("write", "contents"))
        opened, lost = await notebooks.open(path)
        # For a person to look at: nothing can be said about what is in it.
        note = f". Edits from before a crash may be missing: {', '.join(lost)} in the journal folder can't be read"
        return f"Collaboration room opened for {opened}{note if lost else ''}"

    @server.tool(annotations=_hints("Close a room", reads=False, destroys=False, repeatable=True))
    async def close_notebook_session(path: Path) -> str:
        """Save the notebook and close its room; the room stays while people or running cells are in it."""
        await tools.admit(("write", "contents"))
        closed, gone = await notebooks.close(path)
        return f"Collaboration room closed for {closed}{'' if gone else ' (saved; still in use)'}"

    @server.tool(annotations=_hints("Watch a notebook", **_READS), output_schema=schema(WatchReply))
    async def watch_notebook(
        path: Path,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float, Field(gt=0, le=3600, description="Seconds to wait")
        ] = 30,
    ) -> ToolResult:
        """Wait until anybody changes the notebook's cells or metadata, or until the timeout."""
        await tools.admit(("read", "contents"))
        count = await notebooks.watch(path, timeout, _gone())
        return reply({"changed": False} if count is None else {"changed": True, "cell_count": count})

    @server.tool(annotations=_hints("Who is here", **_READS), output_schema=schema(list[User]))
    async def get_active_users() -> ToolResult:
        """List the people with a notebook open, and the agents that called in the last five minutes; you are one."""
        await tools.admit(("read", "contents"))
        return reply(tools.users())

    @server.tool(annotations=_hints("Open rooms", **_READS), output_schema=schema(list[Session]))
    async def get_active_sessions() -> ToolResult:
        """List the collaboration rooms that are open now."""
        await tools.admit(("read", "contents"))
        return reply([{"room_id": room_id} for room_id in notebooks.rooms.open_rooms()])
