"""Asking people before agents run or delete: the questions that wait, and what was answered.

A person answers in a page of JupyterLab. An agent's call waits for that, but not for ever: the question stays a while
longer, and the same call again finds the answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from jupyter_mcp.errors import NotAllowedYetError, RefusedByPersonError

from .agents import Agent
from .calls import Call
from .steering import CONFIGURATION, Rule

QUESTION: Final = "https://schema.jupyter.org/jupyter_mcp/question/v1"
WAITS_FOR = 45.0  # seconds that a call waits for an answer: many clients give a call 60
KEPT_FOR = 600.0  # seconds that a question, or its answer, is good for the same call
OPEN_FOR = 90.0  # seconds since a page was heard of: hidden ones are slowed down to one look a minute
_MOST = 64  # questions at the same time
_FIRST_REPORT, _REPORT_EVERY = 3.0, 15.0  # seconds
_DETAIL = 4000  # characters of code that are shown
_DELETING_OPS = {"delete": "delete", "merge": "merge", "clear_outputs": "clear the outputs of"}
# These destroy too, but neither run nor delete: a cell's source is known to `undo_edits`, and a run can be run again.
_NOT_ASKED = frozenset({"update_cell", "undo_edits", "stop_run", "interrupt_kernel"})
_RUNNING = {
    "execute_cell": "run a cell",
    "run_code": "run code that is in no cell",
    "restart_kernel": "restart the kernel (its variables go)",
    "shutdown_kernel": "shut the kernel down (its variables go)",
    "set_kernel": "choose another kernel (the variables of this one go)",
}

Report = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True)
class Wanted:
    """What a call wants to do that a person is asked about."""

    what: str
    runs: bool  # else it deletes
    detail: str = ""  # the code


def wanted(tool: str, arguments: Mapping[str, Any], *, reads: bool, destroys: bool) -> Wanted | None:
    """Return what a person is asked about; None if the call neither runs nor deletes anything."""
    if reads or tool in _NOT_ASKED:
        return None
    if tool == "run_cells":
        cells = arguments.get("cells")
        some = f"{len(cells)} cells" if isinstance(cells, list) and cells else "cells"
        return Wanted(
            f"run {some}" + (", after a restart of the kernel" if arguments.get("restart") else ""), runs=True
        )
    if tool == "edit_notebook":
        return _of_edits(arguments.get("edits"))
    if tool == "delete_cell":
        return Wanted("delete a cell", runs=False)
    if tool in _RUNNING:
        return Wanted(_RUNNING[tool], runs=True, detail=str(arguments.get("code", ""))[:_DETAIL])
    return Wanted(f"call {tool}", runs=True) if destroys else None


def _of_edits(edits: object) -> Wanted | None:
    if isinstance(edits, str):  # some models send a list so
        try:
            edits = json.loads(edits)
        except ValueError:
            return None  # the tool will say so
    counts: dict[str, int] = {}
    for edit in edits if isinstance(edits, list) else ():
        if isinstance(edit, dict) and isinstance(op := edit.get("op"), str) and op in _DELETING_OPS:
            ids = edit.get("cell_ids")
            counts[op] = counts.get(op, 0) + (len(ids) if isinstance(ids, list) else 1)
    parts = [f"{_DELETING_OPS[op]} {'a cell' if count == 1 else f'{count} cells'}" for op, count in counts.items()]
    return Wanted(" and ".join(parts), runs=False) if parts else None


@dataclass(eq=False)
class Question:
    """A call that waits for a person's yes, or has waited."""

    number: int
    agent: Agent
    tool: str
    wanted: Wanted
    notebook: str | None
    cell_ids: list[str]
    index: int | None
    at: float
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    allowed: bool | None = None
    by: str = ""
    revisions: dict[str, str] = field(default_factory=dict)  # of the cells when it was allowed
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self) -> dict[str, Any]:
        """Return it as pages see it."""
        return {
            "question": self.number,
            "agent": {"id": self.agent.id, "kind": self.agent.kind, "name": self.agent.name},
            "what": self.wanted.what,
            "detail": self.wanted.detail,
            "notebook": self.notebook,
            "cells": self.cell_ids,
            "index": self.index,
            "since": self.since.isoformat(timespec="seconds"),
        }


class Review:
    """The questions that agents' calls wait with."""

    def __init__(
        self,
        emit: Callable[[str, dict[str, Any]], object],
        clock: Callable[[], float] = time.monotonic,
        *,
        waits_for: float = WAITS_FOR,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self.waits_for = waits_for
        self._questions: dict[str, Question] = {}
        self._numbers = itertools.count(1)
        self._page: float | None = None

    def page_is_open(self) -> None:
        """Note that a page of JupyterLab looks."""
        self._page = self._clock()

    @property
    def watched(self) -> bool:
        """Return whether there is a page in which somebody could answer."""
        return self._page is not None and self._clock() - self._page < OPEN_FOR

    def open(self) -> list[Question]:
        """Return the questions that nobody has answered, the oldest first."""
        self._forget_old()
        return [question for question in self._questions.values() if question.allowed is None]

    def find(self, number: int) -> Question | None:
        """Return an open question."""
        return next((one for one in self.open() if one.number == number), None)

    def answer(self, question: Question, by: str, *, allowed: bool, revisions: dict[str, str]) -> None:
        """Take a person's answer; with a yes, the cells may be run that are like `revisions`."""
        question.allowed, question.by, question.revisions = allowed, by, revisions
        question.at = self._clock()
        question.answered.set()
        self._tell(question, "answered")

    async def ask(self, call: Call, rule: Rule, what: Wanted, *, report: Report, gone: asyncio.Event) -> dict[str, str]:
        """Wait for a person's yes; return the revisions that the cells had then.

        Raises RefusedByPersonError, and NotAllowedYetError if nobody answers, or nobody could.
        """
        self._forget_old()
        key = json.dumps([call.agent.id, call.tool, call.arguments], sort_keys=True, default=str)
        question = self._questions.get(key)
        if question is None or question.allowed is None:
            self._require_somebody(rule, what)
        if question is None:
            number = next(self._numbers)
            question = Question(
                number, call.agent, call.tool, what, call.notebook, call.cell_ids, call.index, self._clock()
            )
            self._questions[key] = question
            self._tell(question, "asked")
        await self._wait(question, report, gone)
        if question.allowed is None:
            raise NotAllowedYetError(
                f"{rule.words()}; nobody answered within {self.waits_for:g} s, and nothing was done. Ask {_whom(rule)} "
                f"to allow it in JupyterLab (panel Agents: {what.what!r}), then make the same call again; the question "
                f"stays there for {KEPT_FOR / 60:g} minutes."
            )
        if self._questions.get(key) is not question:
            return await self.ask(call, rule, what, report=report, gone=gone)  # the same call was quicker
        del self._questions[key]  # an answer is for one call
        if not question.allowed:
            raise RefusedByPersonError(
                f"{question.by} said no: the agent may not {what.what} now. Nothing was done. "
                "Ask them what to do instead."
            )
        return question.revisions

    def _require_somebody(self, rule: Rule, what: Wanted) -> None:
        if not self.watched:
            raise NotAllowedYetError(
                f"{rule.words()}, and no page of JupyterLab is open to ask in; nothing was done. "
                f"Ask {_whom(rule)} to open JupyterLab and to allow {what.what!r} there, then make the same call again."
            )
        if len(self.open()) >= _MOST:
            raise NotAllowedYetError(
                f"{rule.words()}, and {_MOST} questions wait for an answer already; nothing was done. Try again later."
            )

    async def _wait(self, question: Question, report: Report, gone: asyncio.Event) -> None:
        began, due = self._clock(), _FIRST_REPORT
        waits = [asyncio.ensure_future(event.wait()) for event in (question.answered, gone)]
        try:
            while not any(wait.done() for wait in waits):
                past = self._clock() - began
                if past >= self.waits_for:
                    return
                if past >= due:
                    due = past + _REPORT_EVERY
                    await report(past, f"waiting for a person to allow it in JupyterLab: {question.wanted.what}")
                left = min(due, self.waits_for) - past
                await asyncio.wait(waits, timeout=max(left, 0.01), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _forget_old(self) -> None:
        since = self._clock() - KEPT_FOR
        self._questions = {key: one for key, one in self._questions.items() if one.at > since}

    def _tell(self, question: Question, phase: str) -> None:
        told = question.told()
        data = {key: told[key] for key in ("question", "agent", "what", "notebook", "cells")}
        answer = {"allowed": question.allowed, "by": question.by or None}
        self._emit(QUESTION, {**data, "phase": phase, "tool": question.tool, **answer})


def _whom(rule: Rule) -> str:
    return "a person" if rule.by is CONFIGURATION else "them"
