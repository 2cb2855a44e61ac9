"""How much one user, and one agent, may have at the same time or ask for in a minute, so that the others have theirs.

A user is a credential: a name that Jupyter knows, or the server's own token. An agent is what calls itself so, in a
session: it can call itself otherwise, and only the user's limits hold for all of its names. What is refused says why
and when to try again; what only ends something is never refused.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_mcp import metrics
from jupyter_mcp.errors import TooManyError
from jupyter_mcp.rooms.actor import Stoppable

from .agents import Agent

ENDING = frozenset({"stop_run", "interrupt_kernel", "shutdown_kernel", "close_notebook_session", "tasks/cancel"})
_MINUTE = 60.0
_MOST_KNOWN = 10_000  # users and agents of which something is remembered


@dataclass(frozen=True)
class Limits:
    """The settings; 0 is no limit."""

    user_calls: int = 0  # a minute
    agent_calls: int = 0
    user_runs: int = 0
    agent_runs: int = 0
    user_rooms: int = 0


class Rate:
    """So many in a minute of each: all at once, then one whenever a share of the minute is over (a token bucket)."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}  # what is not given back yet, and at which moment

    def wait(self, who: str) -> float:
        """Return the seconds until one more may come; 0 now."""
        return max(0.0, (self._left(who) + 1 - self._most) * _MINUTE / self._most) if self._most else 0.0

    def take(self, who: str) -> None:
        """Note one."""
        if self._most:
            self._spent[who] = self._left(who) + 1, self._clock()
            if len(self._spent) > _MOST_KNOWN:
                self._spent = {one: self._spent[one] for one in self._spent if self._left(one) > 0}

    def _left(self, who: str) -> float:
        spent, at = self._spent.get(who, (0.0, 0.0))
        return max(0.0, spent - (self._clock() - at) * self._most / _MINUTE)


class Quotas:
    """What users and agents have now, and whether they may have more."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or Limits()
        self._rates = (
            (Rate(self.limits.user_calls, clock), "user_calls_per_minute", self.limits.user_calls, "one user"),
            (Rate(self.limits.agent_calls, clock), "agent_calls_per_minute", self.limits.agent_calls, "one agent"),
        )
        self._runs: dict[str, list[Stoppable]] = {}

    def call(self, agent: Agent, tool: str) -> None:
        """Count a call. Raises TooManyError, and then counts nothing."""
        if tool in ENDING:
            return
        names = (_user(agent), agent.id)
        for (rate, trait, most, whose), who in zip(self._rates, names, strict=True):
            if (seconds := rate.wait(who)) > 0:
                metrics.LIMITED.labels("calls").inc()
                raise TooManyError(
                    f"This server takes {most} calls a minute from {whose} (`JupyterMCP.{trait}`); nothing was done. "
                    f"Try again in {_words(seconds)}."
                )
        for (rate, *_), who in zip(self._rates, names, strict=True):
            rate.take(who)

    def may_run(self, agent: Agent) -> None:
        """Raise TooManyError if one more run would be too many."""
        for who, trait, most, whose in (
            (_user(agent), "max_user_runs", self.limits.user_runs, "one user"),
            (agent.id, "max_agent_runs", self.limits.agent_runs, "one agent"),
        ):
            if most and len(self._going_on(who)) >= most:
                metrics.LIMITED.labels("runs").inc()
                raise TooManyError(
                    f"{most} runs wait or go on, the most of {whose} on this server (`JupyterMCP.{trait}`); nothing "
                    "was run. Try again when one has ended, or stop one."
                )

    def runs(self, agent: Agent, run: Stoppable) -> None:
        """Note a run that has been started."""
        for who, most in ((_user(agent), self.limits.user_runs), (agent.id, self.limits.agent_runs)):
            if most:
                self._runs[who] = [*self._going_on(who), run]
        if len(self._runs) > _MOST_KNOWN:
            self._runs = {who: self._going_on(who) for who in self._runs if self._going_on(who)}

    def may_open(self, agent: Agent, opened: int) -> None:
        """Raise TooManyError if the user has opened as many rooms, that are still open, as it may."""
        most = self.limits.user_rooms
        if most and opened >= most:
            metrics.LIMITED.labels("rooms").inc()
            raise TooManyError(
                f"{opened} notebooks are open, the most that one user's agents may hold open on this server "
                f"(`JupyterMCP.max_user_rooms`); {agent.client} opened none. Close one that is not needed "
                "(close_notebook_session), or try again in some minutes: idle ones close by themselves."
            )

    def _going_on(self, who: str) -> list[Stoppable]:
        return [run for run in self._runs.get(who, ()) if not run.over.is_set()]


def _user(agent: Agent) -> str:
    return f"user {agent.credential}"


def _words(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds))} s"
