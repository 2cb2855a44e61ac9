"""The thirteen tools: one typed function each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Literal

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_request
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from . import __version__
from .auth import caller
from .endpoint import ASGIApp
from .notebooks import Notebooks
from .tornado_asgi import ASGI_PATH, DISCONNECT_KEY

CellType = Literal["code", "markdown", "raw"]
Path = Annotated[str, Field(description="Notebook path below the server's root, e.g. 'a/b.ipynb'")]
Index = Annotated[int | None, Field(description="Cell position from 0; negative counts from the end")]
CellId = Annotated[str | None, Field(description="The cell's id; lasting, wins over `index`; prefer it")]
Expected = Annotated[
    str | None,
    Field(description="`revision` from get_cell; the call is refused if the cell changed since"),
]


class NotebookEntry(BaseModel):
    """A notebook below the root."""

    path: str
    name: str


class CellOutput(BaseModel):
    """One output: its nbformat `output_type` and the rest of it."""

    type: str
    content: dict[str, Any]


class User(BaseModel):
    """Somebody connected now, a person or an agent."""

    id: str
    name: str


class Session(BaseModel):
    """An open collaboration room."""

    room_id: str


def _hints(title: str, *, reads: bool, destroys: bool, repeatable: bool) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destroys,
        idempotent_hint=repeatable,
        open_world_hint=title == "Run a cell",  # code may reach anything
    )


_READS: dict[str, bool] = {"reads": True, "destroys": False, "repeatable": True}


def _gone() -> asyncio.Event:
    event = get_http_request().scope.get(DISCONNECT_KEY)
    return event if isinstance(event, asyncio.Event) else asyncio.Event()


def build(notebooks: Notebooks) -> FastMCP[Any]:
    """Make the MCP server over `notebooks`."""
    server: FastMCP[Any] = FastMCP(
        "jupyter",
        version=__version__,
        instructions=(
            "Live Jupyter notebooks. People may have the same notebook open: every edit shows on "
            "their screens at once. Address cells by `cell_id`; indexes shift when others edit. "
            "Pass `expected` (the `revision` you read) to avoid overwriting someone's change."
        ),
    )
    _notebook_tools(server, notebooks)
    _cell_tools(server, notebooks)
    _room_tools(server, notebooks)
    return server


def http_app(
    server: FastMCP[Any], *, max_body_bytes: int
) -> tuple[ASGIApp, Callable[[], AbstractAsyncContextManager[None]]]:
    """Give the server's ASGI application and its lifespan, for an Endpoint."""
    app = server.http_app(path=ASGI_PATH)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with app.lifespan(app):
            # FastMCP 4.1 leaves the SDK's limit of 4 MiB no setting.
            endpoint: Any = next(route for route in app.routes if getattr(route, "path", "") == ASGI_PATH)
            endpoint.endpoint.session_manager.asgi_app.max_body_size = max_body_bytes
            yield

    return app, lifespan


def _notebook_tools(server: FastMCP[Any], notebooks: Notebooks) -> None:
    @server.tool(annotations=_hints("List notebooks", **_READS))
    async def list_notebooks() -> list[NotebookEntry]:
        """List every notebook below the server's root, except in hidden folders."""
        await caller().require("read", "contents")
        return [NotebookEntry(path=one["path"], name=one["name"]) for one in await notebooks.list_all()]

    @server.tool(annotations=_hints("Read a notebook", **_READS))
    async def get_notebook(path: Path) -> dict[str, Any]:
        """Read a whole notebook (nbformat). Live content if it is open, else the file."""
        await caller().require("read", "contents")
        return await notebooks.get(path)

    @server.tool(annotations=_hints("Create a notebook", reads=False, destroys=False, repeatable=False))
    async def create_notebook(path: Path) -> NotebookEntry:
        """Create a notebook with one empty code cell; makes folders; never overwrites."""
        await caller().require("write", "contents")
        made = await notebooks.create(path)
        return NotebookEntry(path=made["path"], name=made["name"])


def _cell_tools(server: FastMCP[Any], notebooks: Notebooks) -> None:
    @server.tool(annotations=_hints("Read a cell", **_READS))
    async def get_cell(path: Path, index: Index = None, cell_id: CellId = None) -> dict[str, Any]:
        """Read one cell: source, cell_type, metadata, outputs, id, index and revision."""
        await caller().require("read", "contents")
        return await notebooks.cell(path, index, cell_id)

    @server.tool(annotations=_hints("Change a cell", reads=False, destroys=True, repeatable=True))
    async def update_cell(
        path: Path,
        index: Index = None,
        source: Annotated[str, Field(description="The whole new source")] = "",
        cell_type: CellType | None = None,
        cell_id: CellId = None,
        expected: Expected = None,
    ) -> str:
        """Replace a cell's source (and type, if given). Keeps its id and, unless the type changes, its outputs."""
        await caller().require("write", "contents")
        at = await notebooks.update(path, index, source, cell_type, cell_id, expected)
        return f"Cell {at} updated"

    @server.tool(annotations=_hints("Insert a cell", reads=False, destroys=False, repeatable=False))
    async def insert_cell(
        path: Path,
        index: Annotated[int, Field(description="Position; -1 or the cell count mean the end")],
        source: str,
        cell_type: CellType = "code",
        expected: Expected = None,
    ) -> str:
        """Insert a cell before the one at `index`. `expected` is the revision of that one."""
        await caller().require("write", "contents")
        at, _ = await notebooks.insert(path, index, source, cell_type, expected)
        return f"Cell inserted at index {at}"

    @server.tool(annotations=_hints("Delete a cell", reads=False, destroys=True, repeatable=False))
    async def delete_cell(path: Path, index: Index = None, cell_id: CellId = None, expected: Expected = None) -> str:
        """Delete a cell. Later cells move up by one."""
        await caller().require("write", "contents")
        return f"Cell {await notebooks.delete(path, index, cell_id, expected)} deleted"

    @server.tool(annotations=_hints("Run a cell", reads=False, destroys=True, repeatable=False))
    async def execute_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float | None, Field(gt=0, description="Seconds; then the kernel is interrupted")
        ] = None,
    ) -> list[CellOutput]:
        """Run a code cell on the notebook's kernel and give its outputs, which everyone sees live.

        An exception in the code is an output of type 'error', not a failed call. input() is refused.
        """
        await caller().require("execute", "kernels")
        outputs = await notebooks.execute(path, index, cell_id, expected, timeout, _gone())
        return [
            CellOutput(
                type=output["output_type"],
                content={k: v for k, v in output.items() if k not in ("output_type", "transient")},
            )
            for output in outputs
        ]


def _room_tools(server: FastMCP[Any], notebooks: Notebooks) -> None:
    @server.tool(annotations=_hints("Open a room", reads=False, destroys=False, repeatable=True))
    async def open_notebook_session(path: Path) -> str:
        """Open the notebook's collaboration room. Optional: cell tools open it when needed."""
        await caller().require("write", "contents")
        return f"Collaboration room opened for {await notebooks.open(path)}"

    @server.tool(annotations=_hints("Close a room", reads=False, destroys=False, repeatable=True))
    async def close_notebook_session(path: Path) -> str:
        """Save the notebook and close its room; the room stays while people are in it."""
        await caller().require("write", "contents")
        closed, gone = await notebooks.close(path)
        kept = "" if gone or not notebooks.rooms.is_open(closed) else " (saved; still in use)"
        return f"Collaboration room closed for {closed}{kept}"

    @server.tool(annotations=_hints("Watch a notebook", **_READS))
    async def watch_notebook(
        path: Path,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float, Field(gt=0, le=3600, description="Seconds to wait")
        ] = 30,
    ) -> dict[str, Any]:
        """Wait until anybody changes the notebook, or until the timeout."""
        await caller().require("read", "contents")
        count = await notebooks.watch(path, timeout, _gone())
        return {"changed": False} if count is None else {"changed": True, "cell_count": count}

    @server.tool(annotations=_hints("Who is here", **_READS))
    async def get_active_users() -> list[User]:
        """List the people and agents connected now; you are among them."""
        asking = caller()
        await asking.require("read", "contents")
        me = User(id=f"agent-{asking.key[:8]}", name=asking.name)
        return [*(User(id=one["id"], name=one["name"]) for one in notebooks.rooms.people()), me]

    @server.tool(annotations=_hints("Open rooms", **_READS))
    async def get_active_sessions() -> list[Session]:
        """List the collaboration rooms that are open now."""
        await caller().require("read", "contents")
        return [Session(room_id=room_id) for room_id in notebooks.rooms.open_rooms()]
