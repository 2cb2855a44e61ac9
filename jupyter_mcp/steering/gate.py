"""The one gate in front of everything that agents ask for: may this agent do this here and now. It notes what was done.

Tools know nothing of it. `mcp_server` sends each call through it, and rooms and kernels ask the call (rooms.actor)
before a notebook is read, changed or run: so what a tool's arguments don't name is held back too, and what waits in a
queue when a person pauses does not begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import Logger
from typing import Any

from jupyter_mcp import metrics
from jupyter_mcp.errors import NotAllowedYetError, PausedError, ProposeFirstError, StoppedError
from jupyter_mcp.rooms.actor import ACTOR, Planned
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.presence import Presences

from .activity import Activity, Emit
from .agents import Agent, Agents
from .audit import AuditLog
from .calls import Accepted, Call, named, revision_of
from .limits import Limits, Quotas
from .review import Peek, Review
from .steering import ASKING, CONFIGURATION, Mode, Rule, Steering
from .wanted import Wanted, wanted


class Gate:
    """Lets calls through, or not; knows those that run, and the agents that were here."""

    def __init__(
        self,
        steering: Steering,
        presences: Presences,
        emit: Emit,
        log: Logger,
        audit: AuditLog | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.steering = steering
        self.agents = Agents()
        self.quotas = Quotas(limits)
        self.activity = Activity(emit, log, audit)
        self.review = Review(self.activity.tell)
        self._presences = presences
        self._running: set[Call] = set()
        self._left: set[Call] = set()  # that have answered, and whose runs may go on
        metrics.AGENTS.watch(self._count)

    def _count(self) -> float:
        return len(self._here())

    @asynccontextmanager
    async def serving(
        self, agent: Agent, tool: str, arguments: dict[str, Any], *, reads: bool, destroys: bool = False
    ) -> AsyncIterator[Call]:
        """Serve a call. Raises PausedError or TooManyError before it, and StoppedError in place of what is stopped."""
        paths, index, cell_ids = named(arguments)
        call = Call(
            agent,
            tool,
            reads,
            paths,
            index,
            cell_ids,
            arguments,
            destroys,
            require=self._require,
            may_change=self._may_change,
            may_run=self._may_run,
            shows=self._shows,
            notice=self._notice,
            began_to_run=self.activity.began,
            quotas=self.quotas,
            left_run_ended=self.activity.ended,
        )
        self._require(call, not reads, begins=True)
        self.quotas.call(agent, tool)
        call.task = asyncio.current_task()
        self._running.add(call)
        acting = ACTOR.set(call)
        outcome = "failed"
        try:
            yield call
            outcome = "done"
        except (asyncio.CancelledError, PausedError):  # what it tidies up may be held back already
            if call.stopped_by is None:
                raise
            outcome = "stopped"
            if call.task is not None and call.task.uncancel() > 0:
                raise  # the client left too
            raise StoppedError(
                f"{call.stopped_by} stopped this call and paused the agent; what it had done until then stays. "
                "Ask them before you go on."
            ) from None
        finally:
            ACTOR.reset(acting)
            self._running.discard(call)
            if call.admitted:
                self._presences.leaves(agent.id)
            call.settle()
            if call.cells or call.code is not None or (not reads and outcome == "done"):
                self.activity.ended(call, outcome)
            call.answered()
            self._left = {one for one in (*self._left, call) if one.goes_on}

    def admitted(self, agent: Agent) -> None:
        """Note that the server's Authorizer let the agent do what it is about to do: people may see it now."""
        self.agents.saw(agent)
        call = ACTOR.get()
        if isinstance(call, Call) and not call.admitted:
            call.admitted = True
            self._presences.arrives(agent.id, agent.name, next((path for path in call.paths), None))

    def require(self, agent: Agent, paths: list[str], *, writes: bool, begins: bool = True) -> None:
        """Raise PausedError if the agent may not read, or with `writes` not change, these notebooks now."""
        rule = self.steering.holding(agent, paths)
        if rule is not None and rule.mode not in ASKING and (writes or rule.mode == "paused"):
            raise PausedError(f"{rule.words()}; nothing {'' if begins else 'more '}was done. {_advice(rule)}")

    async def consent(self, call: Call, *, peek: Peek | None = None) -> None:
        """Wait for a person's yes, if one is needed. Raises RefusedByPersonError, NotAllowedYetError.

        `peek` returns the code of the cell that the call names.
        """
        what = wanted(call.tool, call.arguments, reads=call.reads, destroys=call.destroys)
        while what is not None and call.allowed is None:
            rule = self.steering.holding(call.agent, call.paths)
            if rule is None or rule.mode not in ASKING or (rule.mode == "propose" and not what.runs):
                return  # what it changes is shown when it is planned
            answer = await self.review.ask(call, rule, what, peek=peek)
            self._require(call, writes=True, begins=True)  # a person may have paused it meanwhile
            call.allowed = None if answer is None else answer.revisions

    def _may_change(self, call: Call, planned: Planned | None) -> None:
        """Raise ProposeFirstError if a person has to see the change first, or has accepted another one."""
        accepted = call.accepted
        if accepted is not None and planned is not None and accepted.signature == planned.signature:
            call.accepted = None  # a yes is to one change
            if accepted.run:
                call.allowed = planned.code
                call.to_run = list(planned.code)
            return
        rule = self.steering.holding(call.agent, call.paths)
        if accepted is None and (rule is None or rule.mode != "propose"):
            return
        if planned is None:
            if call.allowed is None:
                raise NotAllowedYetError(f"{_words(rule)}; this can't be shown first, and was not done. Ask a person.")
        elif planned:
            call.planned = planned
            raise ProposeFirstError(f"{_words(rule)}; nothing was done, as nobody has seen the change.")

    async def _shows(self, call: Call, planned: Planned) -> bool:
        """Show a change to people, and wait; return whether one accepted it, or False if none has to any more."""
        again, call.accepted = call.accepted is not None, None
        rule = self.steering.holding(call.agent, call.paths)
        if rule is None or rule.mode != "propose":
            self._require(call, writes=True, begins=True)
            return False
        answer = await self.review.ask(call, rule, Wanted(planned.words, runs=False), planned=planned, again=again)
        self._require(call, writes=True, begins=True)
        if answer is not None:
            call.accepted = Accepted(planned.signature, answer.run)
        return answer is not None

    def _may_run(self, call: Call, live: Live, cell_id: str | None) -> None:
        """Raise NotAllowedYetError if a person has to allow this first, or has allowed something else."""
        rule = self.steering.holding(call.agent, call.paths)
        if rule is None or rule.mode not in ASKING:
            return
        if call.allowed is None:
            raise NotAllowedYetError(
                f"{rule.words()} before they run anything; nothing more was run. Call again to ask."
            )
        if cell_id is not None and call.allowed.get(cell_id) != revision_of(live, cell_id):
            raise NotAllowedYetError(
                f"The cell {cell_id!r} is not as it was when a person allowed to run it; it was not run. Call again "
                "to ask."
            )

    def _require(self, call: Call, writes: bool, begins: bool = False) -> None:
        self.require(call.agent, call.paths, writes=writes, begins=begins)

    def _notice(self, call: Call, live: Live, cell_id: str | None) -> None:
        if call.admitted:
            self._presences.works(call.agent.id, live, cell_id)

    def steer(
        self, mode: Mode, by: str, *, agent: str | None = None, notebook: str | None = None, stop: bool = False
    ) -> Rule:
        """Let a person's rule hold from now on; with `stop`, end the calls that it is about. Raises ValueError."""
        name = None if agent is None else self._name_of(agent)
        rule = self.steering.set(mode, by, agent=agent, agent_name=name, notebook=notebook)
        stopped = self._stop(rule) if stop else 0
        self.activity.steered(rule, stopped=stopped)
        for question in self.review.open():
            holds = self.steering.holding(question.agent, [question.notebook] if question.notebook else [])
            if holds is None or holds.mode not in ASKING or (holds.mode == "ask" and question.preview is not None):
                self.review.withdraw(question)
        return rule

    def _name_of(self, kind: str) -> str:
        for seen in self._here():
            if seen.kind == kind:
                return seen.name
        for rule in self.steering.rules():
            if rule.agent == kind and rule.agent_name:
                return rule.agent_name
        raise ValueError(f"No agent {kind!r} called in the last minutes; see the list of agents for their `kind`.")

    def _stop(self, rule: Rule) -> int:
        stopped = [call for call in self._running if self.steering.fits(rule, call.agent, call.paths)]
        for call in stopped:
            if call.task is not None and call.stopped_by is None:
                call.stopped_by = rule.by
                call.task.cancel()
        left = [call for call in self._left if call.goes_on]
        fitting = [call for call in left if self.steering.fits(rule, call.agent, call.paths)]
        for call in fitting:
            if call.run is not None:
                call.run.stop(f"was stopped by {rule.by}")
        return len(stopped) + len(fitting)

    def _going_on(self) -> list[Call]:
        """Return the calls that are served, and those that have answered and whose runs go on, the oldest first."""
        left = [call for call in self._left if call.goes_on]
        return sorted((*self._running, *left), key=lambda call: call.number)

    def _here(self) -> list[Agent]:
        """Return the agents that called lately, and those for which something goes on however long ago they called."""
        going_on = {call.agent.id: call.agent for call in self._going_on() if call.admitted}
        return list({**going_on, **{agent.id: agent for agent in self.agents.here()}}.values())

    def state(self) -> dict[str, Any]:
        """Return who is here, what runs, what is held back, and what was done lately."""
        calls = self._going_on()
        agents = [
            {
                "id": agent.id,
                "kind": agent.kind,
                "name": agent.name,
                "calls": [call.told() for call in calls if call.agent.id == agent.id],
            }
            for agent in self._here()
        ]
        rules = [
            {
                "mode": rule.mode,
                "by": rule.by,
                "since": rule.since or None,
                "agent": rule.agent,
                "agent_name": rule.agent_name,
                "notebook": rule.notebook,
                "fixed": rule.by is CONFIGURATION,
            }
            for rule in (*self.steering.rules(), *self.steering.freed())
        ]
        return {
            "agents": agents,
            "rules": rules,
            "activity": list(self.activity.recent),
            "questions": [question.told() for question in self.review.open()],
            "warning": self.steering.fault,
        }


def _words(rule: Rule | None) -> str:
    return "A person wanted to see changes first" if rule is None else rule.words()


def _advice(rule: Rule) -> str:
    ask = "the server's owner" if rule.by is CONFIGURATION else "them"
    if rule.mode == "read-only":
        return f"Reading works; ask {ask} to allow changes."
    return f"Ask {ask} to resume agents (in JupyterLab's status bar), and don't try again before."
