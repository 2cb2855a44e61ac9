"""Which agents are here: MCP over HTTP has no presence, so an agent is here while it calls and a while after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

HERE_FOR = 300.0  # seconds after an agent's last call
_AT_MOST = 1000


@dataclass(frozen=True)
class Agent:
    """An MCP client: `id` tells agents apart that share a credential, where they have sessions or names."""

    id: str
    name: str


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
        """Give the agents that called in the last five minutes, the latest last."""
        since = self._clock() - HERE_FOR
        self._seen = {key: (agent, seen) for key, (agent, seen) in self._seen.items() if seen >= since}
        return [agent for agent, _ in self._seen.values()]
