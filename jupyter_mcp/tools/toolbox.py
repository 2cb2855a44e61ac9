"""What every tool works with: the server that offers it, the notebooks, and who asks."""

from __future__ import annotations

import asyncio
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_context, get_http_request

from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.tornado_asgi import DISCONNECT_KEY
from jupyter_mcp.transport.auth import Action, caller, fingerprint

from .agents import Agent, Agents


class Toolbox:
    """The server on which tools are offered, the operations behind them, and the agents that call."""

    def __init__(self, server: FastMCP[Any], notebooks: Notebooks) -> None:
        self.server = server
        self.notebooks = notebooks
        self._agents = Agents()

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

    def users(self) -> list[dict[str, str]]:
        """Give the people in the rooms and the agents here, each once."""
        agents = [{"id": agent.id, "name": agent.name} for agent in self._agents.here()]
        return [*self.notebooks.rooms.people(), *agents]


def client_gone() -> asyncio.Event:
    """Return the event that is set when the client of this request leaves."""
    event = get_http_request().scope.get(DISCONNECT_KEY)
    return event if isinstance(event, asyncio.Event) else asyncio.Event()
