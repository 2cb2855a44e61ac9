"""Asking people before agents run or delete, or change anything: the questions that wait, and what was answered.

A person answers in a page of JupyterLab. An agent's call waits for that, but not for ever: the question stays a while
longer, and the same call again finds the answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from jupyter_mcp.errors import NotAllowedYetError, RefusedByPersonError
from jupyter_mcp.rooms.actor import Planned

from .agents import Agent
from .calls import MOST_CELLS, Call
from .steering import CONFIGURATION, Rule
from .wanted import Wanted

QUESTION: Final = "https://schema.jupyter.org/jupyter_mcp/question/v1"
WAITS_FOR = 45.0  # seconds that a call waits for answers: many clients give a call 60
KEPT_FOR = 600.0  # seconds that a question, or its answer, is good for the same call
OPEN_FOR = 90.0  # seconds since a page was heard of: hidden ones are slowed down to one look a minute
_MOST, _MOST_PROPOSALS = 64, 16  # questions at the same time; a proposal is up to 100 kB of each page's state
_FIRST_REPORT, _REPORT_EVERY = 3.0, 15.0  # seconds

Report = Callable[[float, str], Awaitable[None]]
Peek = Callable[[str | None, int | None], Awaitable[tuple[str, dict[str, str]]]]  # a cell's code and revision


@dataclass(frozen=True)
class Answer:
    """What a person said."""

    allowed: bool
    by: str
    run: bool = False  # and run the code cells that the change made or changed
    reason: str = ""
    revisions: dict[str, str] = field(default_factory=dict)  # of the cells when it was allowed


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
    signature: str = ""  # of the change that it shows
    preview: dict[str, Any] | None = None  # of a change that is proposed
    again: bool = False  # it was shown before, and the cells changed since
    seen: dict[str, str] = field(default_factory=dict)  # the revisions of the code that it shows
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    answer: Answer | None = None
    waiting: int = 0  # calls
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # it is answered, or needs no answer any more

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
            "preview": self.preview,
            "again": self.again,
            "waiting": self.waiting > 0,
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
        return [question for question in self._questions.values() if question.answer is None]

    def find(self, number: int) -> Question | None:
        """Return an open question."""
        return next((one for one in self.open() if one.number == number), None)

    def answer(self, question: Question, answer: Answer) -> None:
        """Take a person's answer; with a yes, the cells may be run that are like its `revisions`."""
        question.answer = answer
        question.at = self._clock()
        question.settled.set()
        self._tell(question, "answered")

    def withdraw(self, question: Question) -> None:
        """Take a question back that needs no answer any more; the calls that wait with it are decided about anew."""
        self._questions = {key: one for key, one in self._questions.items() if one is not question}
        question.settled.set()
        self._tell(question, "withdrawn")

    async def ask(
        self,
        call: Call,
        rule: Rule,
        what: Wanted,
        *,
        planned: Planned | None = None,
        again: bool = False,
        peek: Peek | None = None,
    ) -> Answer | None:
        """Wait for a person's yes to a call, or to the change that it has planned (`again`: anew); return it.

        None: the question needs no answer any more. Raises RefusedByPersonError, and NotAllowedYetError if nobody
        answers, or nobody could.
        """
        self._forget_old()
        kind = "ask" if planned is None else "propose"
        key = json.dumps([kind, call.agent.id, call.tool, call.arguments], sort_keys=True, default=str)
        question = self._questions.get(key)
        refused = question is not None and question.answer is not None and not question.answer.allowed
        if question is not None and planned is not None and question.signature != planned.signature and not refused:
            self.withdraw(question)  # it, or a yes to it, is about another change; a no is one to the call
            question, again = None, True
        if question is None or question.answer is None:
            self._require_somebody(rule, what, new=question is None, proposes=planned is not None)
        if question is None:
            new = self._question(call, what, planned, again=again)
            if peek is not None:
                await self._look(new, peek)
            question = self._questions.setdefault(key, new)  # the same call may have been quicker
            if question is new:
                self._tell(question, "asked")
        await self._wait(question, call)
        if question.answer is None:
            if question.settled.is_set():
                return None
            raise self._unanswered(rule, question)
        if self._questions.get(key) is not question:
            return await self.ask(
                call, rule, what, planned=planned, again=again, peek=peek
            )  # the same call was quicker
        del self._questions[key]  # an answer is for one call
        if not question.answer.allowed:
            raise RefusedByPersonError(_refusal(question, question.answer))
        return question.answer

    async def _look(self, question: Question, peek: Peek) -> None:
        """Have a question about one cell show its code."""
        cells, index = question.cell_ids, question.index
        if question.wanted.of_a_cell and (len(cells) == 1 or (not cells and index is not None)):
            detail, question.seen = await peek(cells[0] if cells else None, index)
            question.wanted = replace(question.wanted, detail=detail)

    def _question(self, call: Call, what: Wanted, planned: Planned | None, *, again: bool) -> Question:
        number = next(self._numbers)
        cells, index = list(what.cell_ids) or call.cell_ids, call.index
        if planned is not None:
            cells, index = planned.cell_ids, None
        question = Question(
            number, call.agent, call.tool, what, call.notebook, cells[:MOST_CELLS], index, self._clock()
        )
        if planned is not None:
            question.signature, question.preview, question.again = planned.signature, planned.preview(), again
        return question

    def _unanswered(self, rule: Rule, question: Question) -> NotAllowedYetError:
        allow = "allow" if question.preview is None else "accept"
        return NotAllowedYetError(
            f"{rule.words()}; nobody answered within {self.waits_for:g} s, and nothing was done. Ask {_whom(rule)} "
            f"to {allow} it in JupyterLab (panel Agents: {question.wanted.what!r}), then make the same call again: it "
            f"finds the answer. The question stays there for {KEPT_FOR / 60:g} minutes."
        )

    def _require_somebody(self, rule: Rule, what: Wanted, *, new: bool, proposes: bool) -> None:
        if not self.watched:
            raise NotAllowedYetError(
                f"{rule.words()}, and no page of JupyterLab is open to ask in; nothing was done. "
                f"Ask {_whom(rule)} to open JupyterLab and to allow {what.what!r} there, then make the same call again."
            )
        waiting = [one for one in self.open() if one.preview is not None or not proposes]
        if new and len(waiting) >= (_MOST_PROPOSALS if proposes else _MOST):
            raise NotAllowedYetError(
                f"{rule.words()}, and {len(waiting)} {'changes' if proposes else 'questions'} wait for an answer "
                "already; nothing was done. Try again later."
            )

    async def _wait(self, question: Question, call: Call) -> None:
        """Wait until it is settled or the client is gone, or until the call has waited for as long as a call may."""
        began, due = self._clock() - call.waited, call.waited + _FIRST_REPORT
        waits = [asyncio.ensure_future(event.wait()) for event in (question.settled, call.gone)]
        question.waiting += 1
        try:
            while not any(wait.done() for wait in waits):
                past = call.waited = self._clock() - began
                if past >= self.waits_for:
                    return
                if past >= due:
                    due = past + _REPORT_EVERY
                    allow = "allow" if question.preview is None else "accept"
                    await call.report(past, f"waiting for a person to {allow} it in JupyterLab: {question.wanted.what}")
                left = min(due, self.waits_for) - past
                await asyncio.wait(waits, timeout=max(left, 0.01), return_when=asyncio.FIRST_COMPLETED)
        finally:
            question.waiting -= 1
            call.waited = self._clock() - began
            for wait in waits:
                wait.cancel()

    def _forget_old(self) -> None:
        since = self._clock() - KEPT_FOR
        self._questions = {key: one for key, one in self._questions.items() if one.at > since}

    def _tell(self, question: Question, phase: str) -> None:
        told = question.told()
        data = {key: told[key] for key in ("question", "agent", "what", "notebook", "cells")}
        answer = question.answer
        said = {"allowed": None, "by": None} if answer is None else {"allowed": answer.allowed, "by": answer.by}
        kind = {"proposes": question.preview is not None, "run": answer is not None and answer.run}
        self._emit(QUESTION, {**data, "phase": phase, "tool": question.tool, **said, **kind})


def _refusal(question: Question, answer: Answer) -> str:
    said = f"{answer.by} said no: {answer.reason!r}." if answer.reason else f"{answer.by} said no:"
    the = "The" if answer.reason else "the"
    ask = "Do what they say, or ask them." if answer.reason else "Ask them what to do instead."
    return f"{said} {the} agent may not {question.wanted.what} now. Nothing was done. {ask}"


def _whom(rule: Rule) -> str:
    return "a person" if rule.by is CONFIGURATION else "them"
