"""The REST endpoints by which people look at agents' changes, take them back, and restore deleted cells."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from fastmcp.exceptions import ToolError
from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_mcp.errors import (
    BadCellError,
    BadPathError,
    CellChangedError,
    CellMissingError,
    ChangeMissingError,
    NotebookMissingError,
    ReadOnlyError,
)
from jupyter_mcp.notebooks.change_views import view
from jupyter_mcp.notebooks.undoing import Undoing
from jupyter_mcp.paths import canonical
from jupyter_mcp.rooms.actor import Author

from .gate import Gate
from .people_api import PeopleHandler

_STATUS: dict[type[ToolError], int] = {
    BadPathError: 400,
    NotebookMissingError: 404,
    ChangeMissingError: 404,
    CellMissingError: 404,
    CellChangedError: 409,
    BadCellError: 409,
    ReadOnlyError: 409,
}
_UNAVAILABLE = 503


class _ChangeHandler(PeopleHandler):
    """What the endpoints for changes have in common."""

    def asked(self, found: object, name: str) -> tuple[str, Any]:
        """Return the notebook and the value that a request names. Raises 400."""
        if not isinstance(found, dict) or set(found) != {"notebook", name}:
            raise web.HTTPError(400, f'Send {{"notebook": its path, "{name}": …}}.')
        notebook = found["notebook"]
        if not isinstance(notebook, str) or not notebook:
            raise web.HTTPError(400, '"notebook" is a path.')
        try:
            return canonical(notebook, allow_hidden=True), found[name]
        except BadPathError as error:
            raise web.HTTPError(400, str(error)) from error

    def number(self, value: object) -> int:
        """Return the number of a change. Raises 400."""
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).isdecimal():
            raise web.HTTPError(400, '"change" is a number, as `call` in the activity.')
        return int(str(value)[:18])

    async def told(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what the work gives; its refusals as HTTP says them."""
        try:
            return await work
        except ToolError as error:
            raise web.HTTPError(_STATUS.get(type(error), _UNAVAILABLE), "%s", str(error)) from error

    def author(self) -> Author:
        """Return who asks."""
        return Author("", "", self.person())


class ChangeHandler(_ChangeHandler):
    """`GET {base_url}jupyter-mcp/change?notebook=…&change=…`: what a change did, with the sources before and after."""

    @web.authenticated
    async def get(self) -> None:
        """Return the change; needs `read contents`."""
        await self.require("read", "contents")
        # JupyterLab adds the time to what it gets, so that nothing keeps the answer.
        names = [name for name in ("notebook", "change") if name in self.request.query_arguments]
        given = {name: self.get_query_argument(name) for name in names}
        notebook, number = self.asked(given, "change")
        self.answer(view(await self.told(self.undoing.change(notebook, self.number(number)))))


class UndoHandler(_ChangeHandler):
    """`POST {base_url}jupyter-mcp/undo`: take a change of an agent back; what others did since stays."""

    @web.authenticated
    async def post(self) -> None:
        """Take it back; needs `write contents`."""
        await self.require("write", "contents")
        notebook, value = self.asked(self.get_json_body(), "change")
        author, number = self.author(), self.number(value)
        done = await self.told(self.undoing.undo_for(notebook, author, number))
        self.gate.activity.taken_back(author.name, notebook, number, [cell["id"] for cell in done["cells"]])
        self.answer(done)


class RestoreHandler(_ChangeHandler):
    """`POST {base_url}jupyter-mcp/restore`: bring back a cell that an agent deleted."""

    @web.authenticated
    async def post(self) -> None:
        """Bring it back; needs `write contents`."""
        await self.require("write", "contents")
        notebook, cell = self.asked(self.get_json_body(), "cell")
        if not isinstance(cell, str) or not cell:
            raise web.HTTPError(400, '"cell" is the id of a cell.')
        author = self.author()
        done = await self.told(self.undoing.restore(notebook, cell, author))
        self.gate.activity.taken_back(author.name, notebook, None, [cell])
        self.answer(done)


def undo_handlers(gate: Gate, undoing: Undoing) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the endpoints, below the server's base URL."""
    about = {"gate": gate, "undoing": undoing}
    return [
        (r"/jupyter-mcp/change", ChangeHandler, about),
        (r"/jupyter-mcp/undo", UndoHandler, about),
        (r"/jupyter-mcp/restore", RestoreHandler, about),
    ]
