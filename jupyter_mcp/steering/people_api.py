"""The REST endpoints by which people see and steer agents; JupyterLab's extension uses them too.

They are for people's pages: Jupyter's own authentication (cookies too), its XSRF check and its Authorizer decide.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web

from jupyter_mcp.errors import BadPathError
from jupyter_mcp.notebooks.change_views import brief
from jupyter_mcp.notebooks.undoing import Undoing
from jupyter_mcp.paths import canonical
from jupyter_mcp.transport.auth import Action

from .connections import HIDDEN, connections
from .gate import Gate
from .steering import Mode

ACTIONS: dict[str, tuple[Mode, bool]] = {
    "resume": ("run", False),
    "ask": ("ask", False),
    "propose": ("propose", False),
    "read-only": ("read-only", False),
    "pause": ("paused", False),
    "stop": ("paused", True),
}
_LONGEST_NAME = 80
_LONGEST_URL = 2000
_URL = re.compile(r"https?://[!-~]+")


class PeopleHandler(APIHandler):
    """What the endpoints have in common."""

    auth_resource = "contents"
    gate: Gate
    undoing: Undoing

    def initialize(self, gate: Gate, undoing: Undoing) -> None:
        """Take the gate, and who takes changes back; called by Tornado for each request."""
        self.gate = gate
        self.undoing = undoing

    async def require(self, action: Action, resource: str) -> None:
        """Ask the server's Authorizer. Raises 403."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource)):
            raise web.HTTPError(403, f"You may not {action} {resource} on this server.")

    def person(self) -> str:
        """Return the name of who asks, on one line."""
        user = self.current_user
        name = getattr(user, "display_name", None) or getattr(user, "name", None) or getattr(user, "username", "")
        return "".join(one if one.isprintable() else " " for one in str(name)[:_LONGEST_NAME]).strip() or "Somebody"

    def state(self) -> dict[str, Any]:
        """Return who is here, what runs, what was done, and which changes of it can be taken back."""
        numbers = {event["call"] for event in self.gate.activity.recent}
        return {**self.gate.state(), "changes": [brief(one) for one in self.undoing.known(numbers)]}

    def answer(self, data: dict[str, Any]) -> None:
        """Answer with JSON that nobody keeps."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(data))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with JSON that says what to do."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        detail = error.log_message % error.args if isinstance(error, web.HTTPError) and error.log_message else None
        self.answer({"message": detail or HTTPStatus(status_code).phrase})


class StateHandler(PeopleHandler):
    """`GET {base_url}jupyter-mcp/state`: who is here, what runs, what is held back, what was done lately.

    A page in which people can answer agents says `?page=1`.
    """

    @web.authenticated
    async def get(self) -> None:
        """Return the state; needs `read contents`."""
        await self.require("read", "contents")
        if self.get_query_argument("page", ""):
            self.gate.review.page_is_open()
        self.answer(self.state())


class SteerHandler(PeopleHandler):
    """`POST {base_url}jupyter-mcp/steer`: pause, read-only, stop or resume, for agents and notebooks, or for all."""

    @web.authenticated
    async def post(self) -> None:
        """Let a rule hold; needs `write contents`, and to stop `execute kernels` too."""
        await self.require("write", "contents")
        action, agent, notebook = self._asked()
        mode, stop = ACTIONS[action]
        if stop:
            await self.require("execute", "kernels")
        try:
            self.gate.steer(mode, self.person(), agent=agent, notebook=notebook, stop=stop)
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        self.answer(self.state())

    def _asked(self) -> tuple[str, str | None, str | None]:
        found = self.get_json_body()
        if not isinstance(found, dict) or set(found) - {"action", "agent", "notebook"}:
            raise web.HTTPError(
                400, 'Send {"action": …} with "agent" (its kind) and "notebook" (its path), or without.'
            )
        action, agent, notebook = (found.get(key) for key in ("action", "agent", "notebook"))
        if not isinstance(action, str) or action not in ACTIONS:
            raise web.HTTPError(400, f'"action" is one of {", ".join(ACTIONS)}.')
        for name, value in (("agent", agent), ("notebook", notebook)):
            if value is not None and (not isinstance(value, str) or not value):
                raise web.HTTPError(400, f'"{name}" is a text, or left out.')
        if notebook is not None:
            try:
                notebook = canonical(notebook, allow_hidden=True)
            except BadPathError as error:
                raise web.HTTPError(400, str(error)) from error
        return action, agent, notebook


class ConnectHandler(PeopleHandler):
    """`POST {base_url}jupyter-mcp/connections`: how clients are told of this server, for a person who asks for it."""

    @web.authenticated
    async def post(self) -> None:
        """Return what to give to clients for `url`, as the page knows it; with `show`, the token in it.

        Needs `read contents`; for the token `execute kernels`, which is enough to read it anyway.
        """
        found = self.get_json_body()
        about = found if isinstance(found, dict) else {}
        url, show = about.get("url"), about.get("show") is True
        if not isinstance(url, str) or len(url) > _LONGEST_URL or not _URL.fullmatch(url):
            raise web.HTTPError(400, 'Send {"url": the address of MCP as the page knows it}, with "show": true or not.')
        await self.require(*(("execute", "kernels") if show else ("read", "contents")))
        token = getattr(self.identity_provider, "token", "")
        known = isinstance(token, str) and token != ""
        shown = str(token) if show and known else HIDDEN
        self.answer({"connections": connections(url, shown), "token": known})


def handlers(gate: Gate, undoing: Undoing) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the endpoints, below the server's base URL."""
    about = {"gate": gate, "undoing": undoing}
    return [
        (r"/jupyter-mcp/state", StateHandler, about),
        (r"/jupyter-mcp/steer", SteerHandler, about),
        (r"/jupyter-mcp/connections", ConnectHandler, about),
    ]
