"""One call of an agent while it is served: what it is about, what it changed and ran."""

from __future__ import annotations

import asyncio
import itertools
import posixpath
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fastmcp.exceptions import ToolError
from pycrdt import Map

from jupyter_mcp.paths import LONGEST_PATH, SUFFIX
from jupyter_mcp.rooms.actor import Author, Planned, Stoppable, next_number
from jupyter_mcp.rooms.live import Live, revision

from .agents import Agent
from .limits import Quotas

MOST_CELLS = 100  # of one call that are told of
_MOST_VALUES = 1000  # of a call's arguments that are looked at for notebooks and cells
_PLACES = ("path", "folder", "directory", "destination", "to")


async def _untold(_: float, __: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Accepted:
    """A change that a person has accepted; with `run`, the code in it is to be run."""

    signature: str
    run: bool


@dataclass
class CellTouched:
    """A cell that a call is about."""

    before: str | None = None  # revision
    after: str | None = None
    changed: bool = False
    ran: bool = False


@dataclass(eq=False)
class Call:
    """What an agent's call does; the rooms tell it (rooms.actor.Actor)."""

    agent: Agent
    tool: str
    reads: bool
    paths: list[str]  # notebooks and folders that the arguments name
    index: int | None
    cell_ids: list[str]
    arguments: dict[str, Any]
    destroys: bool  # as the tool says of itself
    require: Callable[[Call, bool], None]  # raises PausedError
    may_change: Callable[[Call, Planned | None], None]  # raises NotAllowedYetError
    may_run: Callable[[Call, Live, str | None], None]  # likewise
    shows: Callable[[Call, Planned], Awaitable[bool]]
    notice: Callable[[Call, Live, str | None], None]
    began_to_run: Callable[[Call], None]
    quotas: Quotas
    left_run_ended: Callable[[Call, str], None]  # of a run that outlived the call, and its outcome
    number: int = field(default_factory=next_number)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)
    task: asyncio.Task[Any] | None = None
    stopped_by: str | None = None
    admitted: bool = False  # by the server's Authorizer
    live: Live | None = None
    cells: dict[str, CellTouched] = field(default_factory=dict)
    running: str | None = None  # the cell that runs now
    more_cells: int = 0
    code: str | None = None  # that it ran in no cell
    run: Stoppable | None = None  # that it started
    allowed: dict[str, str] | None = None  # by a person: the revisions that cells had then
    planned: Planned | None = None  # the change that a person has to see
    accepted: Accepted | None = None  # by a person
    to_run: list[str] = field(default_factory=list)  # the cells to run, since a person who accepted a change said so
    report: Callable[[float, str], Awaitable[None]] = field(default=_untold)  # progress, in seconds, to the client
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # the client left
    waited: float = 0.0  # seconds, for people
    over: bool = False  # it has answered; what it began to run may go on

    @property
    def author(self) -> Author:
        """Who calls, as the notebooks' history knows it."""
        return Author(self.agent.id, self.agent.kind, self.agent.name)

    @property
    def notebook(self) -> str | None:
        """The notebook that the call is about."""
        return self.live.path if self.live is not None else next(iter(self.paths), None)

    @property
    def goes_on(self) -> bool:
        """Whether what it started to run is not over."""
        return self.run is not None and not self.run.over.is_set()

    def told(self) -> dict[str, Any]:
        """Return what it does now, as pages see it."""
        return {
            "tool": self.tool,
            "notebook": self.notebook,
            "running": self.running,
            "code": self.code is not None,
            "seconds": round(time.monotonic() - self.began, 1),
        }

    @property
    def credential(self) -> str:
        """Whose it is."""
        return self.agent.credential

    def opens(self, opened: int) -> None:
        """Raise TooManyError if its user's agents hold as many rooms open as they may."""
        self.quotas.may_open(self.agent, opened)

    def may_start(self) -> None:
        """Raise TooManyError if as many runs of its user, or its own, go on as may."""
        self.quotas.may_run(self.agent)

    def reaches(self, path: str) -> None:
        """Note which notebook it is about."""
        if path not in self.paths:
            self.paths.append(path)
            self.require(self, not self.reads)

    def joined(self, live: Live) -> None:
        """Note which notebook it works in, and what the cells that it names are like before."""
        self._at(live)
        self.require(self, not self.reads)
        if not self.reads:
            with suppress(ToolError):  # no such cell: the tool will say so
                named = self.cell_ids or ([] if self.index is None else [self._id_at(live, self.index)])
                for cell_id in named:
                    if cell_id not in self.cells and len(self.cells) < MOST_CELLS:
                        self.cells[cell_id] = CellTouched(before=revision_of(live, cell_id))
        self.notice(self, live, None)

    def will_change(self, live: Live, planned: Planned | None = None) -> None:
        """Raise PausedError if it may not change the notebook, ProposeFirstError if a person has to see this first."""
        self._at(live)
        self.require(self, True)
        self.may_change(self, planned)

    async def propose(self) -> bool:
        """Show people the change that is planned, and wait; return whether one accepted it."""
        planned, self.planned = self.planned, None
        return planned is not None and await self.shows(self, planned)

    def changed(self, live: Live, cell_ids: Iterable[str]) -> None:
        """Note which cells it changed."""
        last = None
        for last in cell_ids:
            if (touched := self._touched(last)) is not None:
                touched.changed = True
        self.notice(self, live, last)

    def begins(self, live: Live, cell_id: str) -> None:
        """Note that a cell is run."""
        self._at(live)
        self.require(self, True)
        self.may_run(self, live, cell_id)
        if (touched := self._touched(cell_id)) is not None:
            touched.ran = True
            touched.before = touched.before or revision_of(live, cell_id)
        self.running = cell_id
        self.notice(self, live, cell_id)
        self.began_to_run(self)

    def runs_code(self, live: Live, source: str) -> None:
        """Note that code that is in no cell is run; ours, in a tool that only reads, is no code of the agent."""
        self._at(live)
        self.require(self, not self.reads)
        if not self.reads:
            self.may_run(self, live, None)
            self.code = source
            self.notice(self, live, None)
            self.began_to_run(self)

    def starts(self, run: Stoppable) -> None:
        """Note what it started: a person who stops the agent stops that too, also when the call has answered."""
        self.run = run
        self.quotas.runs(self.agent, run)

    def run_ended(self, live: Live, outcome: str) -> None:
        """Note that its run is over; if it has answered before, what ran since is told by itself."""
        self.running = None
        if self.over and (self.cells or self.code is not None):
            self._at(live)
            self.settle()
            self.left_run_ended(self, outcome)

    def answered(self) -> None:
        """Note that the call is over, and was told of; what its run does from now on is told when that ends."""
        self.over = True
        goes_on = self.goes_on and self.stopped_by is None
        now = self.cells.get(self.running or "") if goes_on else None
        self.cells = {} if now is None or self.running is None else {self.running: replace(now, changed=False)}
        self.more_cells, self.code = 0, self.code if goes_on else None

    def settle(self) -> None:
        """Note what the cells are like now."""
        self.cells = {cell_id: touched for cell_id, touched in self.cells.items() if touched.changed or touched.ran}
        if self.live is not None and not self.live.released:
            for cell_id, touched in self.cells.items():
                touched.after = revision_of(self.live, cell_id)

    def _at(self, live: Live) -> None:
        self.live = live
        if live.path not in self.paths:
            self.paths.append(live.path)

    def _touched(self, cell_id: str) -> CellTouched | None:
        if cell_id not in self.cells and len(self.cells) >= MOST_CELLS:
            self.more_cells += 1
            return None
        return self.cells.setdefault(cell_id, CellTouched())

    @staticmethod
    def _id_at(live: Live, index: int) -> str:
        found: str = live.document.ycells[live.locate(index, None)].get("id") or ""
        return found


def revision_of(live: Live, cell_id: str) -> str | None:
    """Return a cell's revision, None if there is no such cell."""
    at = live.find(cell_id) if cell_id else None
    if at is None:
        return None
    cell: Map[Any] = live.document.ycells[at]
    return revision(cell["cell_type"], str(cell["source"]))


def named(arguments: dict[str, Any]) -> tuple[list[str], int | None, list[str]]:
    """Return what a call's arguments name: notebooks and folders, a cell's index, and ids of cells.

    A tool takes notebooks as texts that end in .ipynb, or as what its parameter calls a path or folder.
    """
    paths: dict[str, None] = {}
    cells: dict[str, None] = {}
    pending = deque(itertools.islice(arguments.items(), _MOST_VALUES))
    for _ in range(_MOST_VALUES):
        if not pending:
            break
        key, value = pending.popleft()
        left = _MOST_VALUES - len(pending)
        if isinstance(value, dict):
            pending.extend((str(inner), item) for inner, item in itertools.islice(value.items(), left))
        elif isinstance(value, list):
            pending.extend((key, item) for item in itertools.islice(value, left))
        elif isinstance(value, str) and key in ("cell_id", "cell_ids"):
            cells[value] = None
        elif isinstance(value, str) and 0 < len(value) <= LONGEST_PATH and _is_place(key, value):
            paths[posixpath.normpath(value.replace("\\", "/")).strip("/")] = None
    index = arguments.get("index")
    return list(paths), index if isinstance(index, int) else None, list(cells)[:MOST_CELLS]


def _is_place(key: str, value: str) -> bool:
    return value.endswith(SUFFIX) or key.rpartition("_")[2] in _PLACES
