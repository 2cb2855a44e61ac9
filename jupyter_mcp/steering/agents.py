"""Which agents are here: MCP over HTTP has no presence, so an agent is here while it calls and a while after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastmcp.server.dependencies import get_context, get_http_request

from jupyter_mcp.transport.auth import Caller, fingerprint

HERE_FOR = 300.0  # seconds after an agent's last call
_AT_MOST = 1000
NAMELESS = "agent"  # a client that gives no name, or whose session was revived (transport.revival)
_LONGEST_NAME = 80  # characters of what a client calls itself


@dataclass(frozen=True)
class Agent:
    """An MCP client: `id` tells agents apart that share a credential, where they have sessions or names.

    `kind` is the same after a new session and after a restart: the client's name, and the user whom Jupyter knows.
    """

    id: str
    name: str
    client: str = NAMELESS
    kind: str = ""
    user: str | None = None  # whose token it has, where Jupyter knows users
    credential: str = ""  # what tells its user apart, of this process (transport.auth.Caller.key)


def asking_agent(asking: Caller, session: Any = None) -> Agent:
    """Return the agent whose request is being served; `session` is the SDK's, where FastMCP has no context."""
    params = getattr(session or get_context().session, "client_params", None)
    given = getattr(getattr(params, "client_info", None), "name", None) or NAMELESS
    client = "".join(one if one.isprintable() else " " for one in given[:_LONGEST_NAME]).strip() or NAMELESS
    session_id = get_http_request().headers.get("mcp-session-id", "")
    agent_id = f"agent-{fingerprint(f'{asking.key} {given} {session_id}')[:12]}"
    if asking.shared:  # Jupyter makes up a new name for each request
        return Agent(agent_id, client, client, kind_of(client, ""), credential=asking.key)
    user: str = asking.handler.current_user.username
    return Agent(agent_id, f"{client} ({asking.name})", client, kind_of(client, user), user, asking.key)


def kind_of(client: str, user: str) -> str:
    """Return the short name under which clients of that name are paused; the same in every process."""
    return hashlib.sha256(f"{client}\0{user}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


class Agents:
    """The agents that called lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Agent, float]] = {}

    def saw(self, agent: Agent) -> None:
        """Note a call of `agent`."""
        self._seen.pop(agent.id, None)
        self._seen[agent.id] = agent, self._clock()
        if len(self._seen) > _AT_MOST:
            del self._seen[next(iter(self._seen))]

    def here(self) -> list[Agent]:
        """Return the agents that called in the last five minutes, the latest last."""
        since = self._clock() - HERE_FOR
        self._seen = {key: (agent, seen) for key, (agent, seen) in self._seen.items() if seen >= since}
        return [agent for agent, _ in self._seen.values()]
