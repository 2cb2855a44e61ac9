"""On whose behalf the current task works: the rooms tell that actor what it reached and changed, and ask it first.

A context variable, so that neither rooms nor kernels need to know of tools and agents. Tasks that a call starts inherit
it, which is right for a run that outlives its call.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .live import Live

_numbers = itertools.count(1)


def next_number() -> int:
    """Return a number that nothing else in this process has: of a call, or of a change that a person makes here."""
    return next(_numbers)


@dataclass(frozen=True)
class Author:
    """Who changes a notebook: an agent, or a person who decides about an agent's change (no `kind`)."""

    id: str
    kind: str
    name: str


class Stoppable(Protocol):
    """What goes on by itself: a run."""

    over: asyncio.Event

    def stop(self, why: str) -> None:
        """Ask it to stop."""


class Planned(Protocol):
    """A change of a notebook that is planned, and not made."""

    def __bool__(self) -> bool:
        """Return whether it changes anything."""

    @property
    def signature(self) -> str:
        """What the change does, and to what: a short text that is the same for the same change of the same cells."""

    @property
    def words(self) -> str:
        """What it does, in a few words that go after "to"."""

    @property
    def cell_ids(self) -> list[str]:
        """The cells that are there and change or go."""

    @property
    def code(self) -> dict[str, str]:
        """The code cells that are new or change, with the revisions they will have."""

    def preview(self) -> dict[str, Any]:
        """Return the change as people look at it; bounded."""


class Actor(Protocol):
    """What acts on notebooks: an agent's call."""

    tool: str

    @property
    def number(self) -> int:
        """The number of the call in this process."""

    @property
    def credential(self) -> str:
        """Whose it is: the same for all that share a credential."""

    @property
    def author(self) -> Author:
        """Who calls."""

    def reaches(self, path: str) -> None:
        """Note that it is about a notebook. Raises a ToolError if it may not even read it."""

    def opens(self, opened: int) -> None:
        """Ask before a room is opened; `opened` are those of its credential. Raises a ToolError if it may not."""

    def joined(self, live: Live) -> None:
        """Note that it has reached a notebook. Raises a ToolError if it may not even read it."""

    def will_change(self, live: Live, planned: Planned | None = None) -> None:
        """Raise a ToolError if it may not change the notebook, ProposeFirstError if a person has to see this first.

        `planned` is None for what is no change of cells: the choice of a kernel.
        """

    async def propose(self) -> bool:
        """Show people the change that ProposeFirstError was raised for, and wait; return whether one accepted it.

        Raises a ToolError if nobody did; returns False if nobody has to see it any more.
        """

    def changed(self, live: Live, cell_ids: Iterable[str]) -> None:
        """Note which cells it changed, made or deleted; called while the document is being observed."""

    def begins(self, live: Live, cell_id: str) -> None:
        """Note that it begins to run a cell. Raises a ToolError if it may not."""

    def runs_code(self, live: Live, source: str) -> None:
        """Note that it begins to run code that is in no cell. Raises a ToolError if it may not."""

    def may_start(self) -> None:
        """Raise a ToolError if it may not start one more run."""

    def starts(self, run: Stoppable) -> None:
        """Note what it started, which may go on when the actor is done."""

    def run_ended(self, live: Live, outcome: str) -> None:
        """Note that what it began to run is over: done, failed (it could not be run) or stopped."""


ACTOR: ContextVar[Actor | None] = ContextVar("jupyter_mcp_actor", default=None)
