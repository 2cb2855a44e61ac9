"""Runs: what is run on a notebook's kernel, in the order in which it was asked for, whether or not somebody waits.

A run belongs to its notebook, as in JupyterLab: it outlives the call, the session and the connection that asked for it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from logging import Logger
from typing import Any

from fastmcp.exceptions import ToolError

from jupyter_mcp import metrics
from jupyter_mcp.advice import either
from jupyter_mcp.errors import FATAL, RunMissingError, TooManyError

from .messages import Output
from .output_limit import kept_of
from .outputs import OutputSink

MOST_ACTIVE = 256  # runs that wait or go on at the same time
MOST_STEPS = 20_000  # cells of all of them together
KEPT_FOR = 3600.0  # seconds that a run is known after its end
MOST_ENDED = 256  # ended runs that are known
KEPT_BYTES = 8 << 20  # of outputs of ended steps; the notebook has them all
_BYTES_OF_ID = 6


class State(StrEnum):
    """What became of a run, or of one of its steps."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


OVER = (State.DONE, State.ERROR, State.INTERRUPTED, State.SKIPPED)


@dataclass(eq=False)
class Step:
    """One cell of a run, or code without a cell (its `cell_id` is empty)."""

    cell_id: str
    source: str | None = None  # of code without a cell; a cell's is read at its turn
    expected: str | None = None  # the cell's revision, if it must have one
    state: State = State.QUEUED
    count: int | None = None  # the kernel's execution count
    messages: int = 0
    began: float | None = None  # monotonic
    ended: float | None = None
    fault: BaseException | None = None  # why it could not be run, or what went wrong beside it
    sink: OutputSink | None = None  # while it runs
    kept: list[Output] | None = field(default_factory=list)  # its outputs once it ended; None: let go
    waiters: int = 0  # calls that will tell its outputs, which are kept for them

    @property
    def outputs(self) -> list[Output] | None:
        """The outputs so far; None if they are no longer kept here."""
        return self.kept if self.sink is None else self.sink.so_far()

    @property
    def seconds(self) -> float | None:
        """How long it has run, None if it has not begun."""
        if self.began is None:
            return None
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep its outputs meanwhile."""
        self.waiters += 1
        try:
            yield
        finally:
            self.waiters -= 1

    def begin(self, sink: OutputSink) -> None:
        """Note that the kernel has it."""
        self.state, self.sink, self.began = State.RUNNING, sink, time.monotonic()

    def end(self, state: State, fault: BaseException | None = None) -> None:
        """Note how it ended."""
        self.state, self.fault = state, None if fault is None else fault.with_traceback(None)
        if self.began is not None:
            self.ended = time.monotonic()
        if self.sink is not None:
            self.kept, self.sink = self.sink.outputs, None


class Run:
    """Steps that run one after the other on a notebook's kernel."""

    def __init__(self, room_id: str, path: str, by: str, steps: list[Step], *, stop_on_error: bool = True) -> None:
        self.id = f"run-{secrets.token_hex(_BYTES_OF_ID)}"
        self.room_id = room_id
        self.path = path
        self.by = by
        self.steps = steps
        self.stop_on_error = stop_on_error
        self.kernel_id: str | None = None
        self._waits_for: str | Callable[[], str] | None = None
        self.notices: list[str] = []  # what there is to tell beside the outputs
        self.made = time.monotonic()
        self.ended: float | None = None
        self.over = asyncio.Event()
        self.ignored = asyncio.Event()  # the kernel was interrupted and goes on
        self.stops = 0  # how often it was asked to stop
        self.stopped_for: str | None = None  # why, in words
        self.wake = asyncio.Event()  # for who follows it: it is asked to stop
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """The state of the whole: that of the step that counts."""
        states = [step.state for step in self.steps]
        if self.ended is None:
            return State.QUEUED if all(state is State.QUEUED for state in states) else State.RUNNING
        for state in (State.INTERRUPTED, State.ERROR):
            if state in states:
                return state
        return State.INTERRUPTED if self.stops and State.SKIPPED in states else State.DONE

    @property
    def waits_for(self) -> str | None:
        """What it waits for now, in words, if that is something else than another run."""
        return self._waits_for() if callable(self._waits_for) else self._waits_for

    def wait_for(self, what: str | Callable[[], str] | None) -> None:
        """Note what it waits for from now on, or what tells that; None: for nothing."""
        self._waits_for = what

    @property
    def current(self) -> Step | None:
        """The step that the kernel has now."""
        return next((step for step in self.steps if step.state is State.RUNNING), None)

    @property
    def seconds(self) -> float:
        """How long it has taken, with its waiting."""
        return (time.monotonic() if self.ended is None else self.ended) - self.made

    def stop(self, why: str) -> None:
        """Ask it to stop: nothing that waits is begun, and what runs is interrupted, again at each call."""
        if self.over.is_set():
            return
        self.stops += 1
        self.stopped_for = self.stopped_for or why
        self.ignored.clear()
        self.wake.set()
        if self.current is None and self._task is not None:
            self._task.cancel()

    def follow(self, task: asyncio.Task[None]) -> None:
        """Take the task that does the work."""
        self._task = task

    async def close(self) -> None:
        """End it where it is, without an interrupt: the server stops."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._task])


def fault_of(error: BaseException) -> str:
    """Return what a client is told of why a cell could not be run."""
    if isinstance(error, ToolError):
        return str(error)
    return f"A fault in this server ({type(error).__name__}); its log tells more."


class Runs:
    """The runs that wait, that go on and that ended lately."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._active: dict[str, Run] = {}
        self._ended: dict[str, Run] = {}
        self._of_cells: dict[tuple[str, str], tuple[Run, Step]] = {}
        self._kept: deque[tuple[Step, int]] = deque()
        self._kept_bytes = 0
        metrics.RUNS.watch(self._count)
        metrics.STEPS.watch(self._count_steps)

    def _count(self) -> dict[str, float]:
        queued = sum(run.state is State.QUEUED for run in self._active.values())
        return {"queued": queued, "running": len(self._active) - queued}

    def _count_steps(self) -> float:
        return sum(step.state is State.QUEUED for run in self._active.values() for step in run.steps)

    def start(self, run: Run, work: Coroutine[Any, Any, None]) -> None:
        """Let `work`, which does the run's steps, go on by itself. Raises TooManyError."""
        steps = sum(len(one.steps) for one in self._active.values()) + len(run.steps)
        if len(self._active) >= MOST_ACTIVE or (steps > MOST_STEPS and self._active):
            work.close()
            raise TooManyError(
                f"{len(self._active)} runs wait or go on at this server; nothing was run. Try again when some have "
                f"ended{either(': list_kernels shows them, stop_run stops one', '')}."
            )
        self._active[run.id] = run
        for step in run.steps:
            if step.cell_id:
                self._of_cells[run.room_id, step.cell_id] = run, step
        run.follow(asyncio.create_task(self._work(run, work)))

    async def _work(self, run: Run, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except FATAL:
            if not run.stops:
                raise
        except BaseException as error:  # noqa: BLE001 - a fault of ours, or a panic of Rust's: whoever asks is told
            self._log.exception("The run %s of %s failed", run.id, run.path)
            self.end(next((one for one in run.steps if one.state not in OVER), run.steps[-1]), State.ERROR, error)
        finally:
            self._close(run)

    def _close(self, run: Run) -> None:
        for step in run.steps:
            if step.state not in OVER:
                self.end(step, State.INTERRUPTED if step.state is State.RUNNING else State.SKIPPED)
        run.ended = time.monotonic()
        run.wait_for(None)
        self._active.pop(run.id, None)
        self._ended[run.id] = run
        metrics.RUNS_ENDED.labels(run.state.value).inc()
        run.over.set()
        self._forget_old()

    def end(self, step: Step, state: State, fault: BaseException | None = None) -> None:
        """Note how a step ended; keep its outputs, and let go of the oldest ones that are too many."""
        step.end(state, fault)
        size = sum(kept_of(output).size for output in step.kept or ())
        self._kept.append((step, size))
        self._kept_bytes += size
        for _ in range(len(self._kept)):
            if self._kept_bytes <= KEPT_BYTES:
                return
            old, size = self._kept.popleft()
            if old.waiters:
                self._kept.append((old, size))
            else:
                old.kept = None
                self._kept_bytes -= size

    def _forget_old(self) -> None:
        since = time.monotonic() - KEPT_FOR
        while self._ended:
            run = next(iter(self._ended.values()))
            if len(self._ended) <= MOST_ENDED and (run.ended or 0) > since:
                return
            del self._ended[run.id]
            for step in run.steps:
                if self._of_cells.get((run.room_id, step.cell_id), (None,))[0] is run:
                    del self._of_cells[run.room_id, step.cell_id]

    def get(self, run_id: str) -> Run:
        """Return the run of that id. Raises RunMissingError."""
        self._forget_old()
        run = self._active.get(run_id) or self._ended.get(run_id)
        if run is None:
            raise RunMissingError(
                f"No run {run_id[:50]!r}. Runs are known for an hour after their end, until the server stops; the "
                f"outputs are in the notebook (get_cell){either(', and list_kernels shows what runs now', '')}."
            )
        return run

    def active(self) -> list[Run]:
        """Return those that wait or go on, in their order."""
        return list(self._active.values())

    def known(self, run_id: str) -> bool:
        """Return whether a run goes on or is still known."""
        return run_id in self._active or run_id in self._ended

    def ahead_of(self, run: Run) -> list[Run]:
        """Return the runs that the kernel has before this one."""
        before: list[Run] = []
        for one in self._active.values():
            if one is run:
                return before
            if one.room_id == run.room_id or (one.kernel_id is not None and one.kernel_id == run.kernel_id):
                before.append(one)
        return []

    def of_cell(self, room_id: str, cell_id: str) -> tuple[Run, Step] | None:
        """Return the cell's last run, and its step in it; None if it is not known."""
        return self._of_cells.get((room_id, cell_id))

    def on_kernel(self, kernel_id: str) -> Iterator[Run]:
        """Yield the runs that wait for a kernel or go on in it."""
        yield from [run for run in self._active.values() if run.kernel_id == kernel_id]

    async def close(self) -> None:
        """End all: the server stops."""
        await asyncio.gather(*(run.close() for run in list(self._active.values())))
