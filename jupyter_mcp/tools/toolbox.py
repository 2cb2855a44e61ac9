"""What every tool works with: the server that offers it, the notebooks, and who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_context, get_http_request

from jupyter_mcp.kernels.kernel_control import KernelControl
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.notebooks.running import Running
from jupyter_mcp.notebooks.undoing import Undoing
from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.steering.agents import Agent, asking_agent
from jupyter_mcp.steering.calls import Call
from jupyter_mcp.steering.gate import Gate
from jupyter_mcp.tornado_asgi import DISCONNECT_KEY
from jupyter_mcp.transport.auth import Action, caller

from .cancelling import Cancelling

_LINES, _CHARACTERS = 20, 2000  # of a cell, that a person is shown who is asked about it


class Toolbox:
    """The server on which tools are offered, the operations behind them, and the gate that agents come through."""

    def __init__(
        self,
        server: FastMCP[Any],
        notebooks: Notebooks,
        running: Running,
        kernels: KernelControl,
        gate: Gate,
        undoing: Undoing,
        *,
        call_timeout: float | None,
    ) -> None:
        self.server = server
        self.notebooks = notebooks
        self.running = running
        self.kernels = kernels
        self.call_timeout = call_timeout  # seconds after which a call answers while its run goes on
        self.cancelling = Cancelling()
        self.gate = gate
        self.undoing = undoing

    async def admit(self, *wanted: tuple[Action, str]) -> Agent:
        """Ask the server's Authorizer for each action; gives who asks."""
        asking = caller()
        for action, resource in wanted:
            await asking.require(action, resource)
        call = ACTOR.get()
        agent = call.agent if isinstance(call, Call) else asking_agent(asking)
        self.gate.admitted(agent)
        if isinstance(call, Call):
            call.report, call.gone = _report, client_gone()
            await self.gate.consent(call, peek=partial(self._code, call))
        return agent

    async def _code(self, call: Call, cell_id: str | None, index: int | None) -> tuple[str, dict[str, str]]:
        """Return the first lines of a cell in the notebook that a call names, and its revision; nothing without it."""
        try:
            live = await self.notebooks.join(call.paths[0])
            at = live.locate(index, cell_id)
        except (ToolError, IndexError):  # the tool will say so
            return "", {}
        address = live.address(at)
        return _first_lines(str(live.document.ycells[at]["source"])), {address.id: address.revision}

    @asynccontextmanager
    async def serving(
        self, what: str, arguments: dict[str, Any], *, reads: bool, destroys: bool = False, session: Any = None
    ) -> AsyncIterator[None]:
        """Serve a call of a tool, or another request, through the gate. Raises PausedError and StoppedError."""
        async with self.gate.serving(asking_agent(caller(), session), what, arguments, reads=reads, destroys=destroys):
            yield

    def users(self) -> list[dict[str, str]]:
        """Return the people in the rooms and the agents here, each once."""
        agents = [{"id": agent.id, "name": agent.name} for agent in self.gate.agents.here()]
        return [*self.notebooks.rooms.people(), *agents]


def _first_lines(source: str) -> str:
    lines = source.split("\n")
    shown = "\n".join(lines[:_LINES])[:_CHARACTERS]
    return shown if len(shown) == len(source) else f"{shown}\n[the rest is left out; it has {len(lines)} lines]"


async def _report(past: float, message: str) -> None:
    await get_context().report_progress(past, message=message)


def client_gone() -> asyncio.Event:
    """Return the event that is set when the client of this request leaves."""
    event = get_http_request().scope.get(DISCONNECT_KEY)
    return event if isinstance(event, asyncio.Event) else asyncio.Event()
