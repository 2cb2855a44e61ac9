"""Running code on kernels: one queue for each kernel, bounded waits, and interrupts whose effect is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from jupyter_mcp.advice import either
from jupyter_mcp.errors import ExecutionTimeoutError, KernelBusyError, KernelUnavailableError
from jupyter_mcp.locks import KeyedLocks
from jupyter_mcp.telemetry import span

from .execute_request import ExecuteRequest
from .fate import Fate, gone
from .kernel import Kernel
from .kernels import Kernels
from .late_output import LateOutput
from .outputs import OutputSink
from .runs import Run, Runs, State, Step

ALIVE_EVERY = 0.5  # seconds between looks at a kernel's process while a cell runs
IDLE_WITHIN = 5.0  # seconds without a message after the reply: the kernel then dropped its idle
OTHERS_CELL = "a cell that somebody else runs"
START = "the kernel to start"
ANSWER = "the kernel to answer"
CHANGE = "the kernel's restart, shutdown or exchange to end"

Outcome = tuple[State, Exception | None]


class MovedError(Exception):
    """The notebook has another kernel since the run asked which it has."""


class Execution:
    """Runs code on the kernels of notebooks."""

    def __init__(self, kernels: Kernels, runs: Runs, *, grace: float) -> None:
        self.kernels = kernels
        self.runs = runs
        self.grace = grace  # seconds in which an interrupted cell ends, if it obeys
        self.changing = KeyedLocks()  # kernels that are restarted, shut down or exchanged now
        self._turns = KeyedLocks()

    @asynccontextmanager
    async def turn(self, kernel_id: str, run: Run, seconds: float | None) -> AsyncIterator[Kernel]:
        """Wait for the kernel to be free, also of what people run on it; then it is the run's.

        Raises KernelBusyError when it is not within `seconds`, and MovedError when the notebook has another one since.
        """
        now = asyncio.get_running_loop().time()
        deadline = None if seconds is None else now + seconds
        run.kernel_id = kernel_id
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    run.wait_for(None)  # but for its turn
                    await stack.enter_async_context(self._turns(kernel_id))
                    await self._unchanging(kernel_id, run)
                    run.wait_for(lambda: self._what_connecting_waits_for(kernel_id))
                    if not self.kernels.is_busy(kernel_id):
                        limit.reschedule(None)  # a kernel that is starting has its own limit
                    kernel = await self.kernels.connect(kernel_id)
                    limit.reschedule(deadline)
                    await self.free(kernel, run)
            except TimeoutError as error:
                waited = run.waits_for
                what = (
                    f"The kernel is busy with another cell for over {seconds:g} s"
                    if waited in (None, OTHERS_CELL)
                    else f"The run waited for {waited} for over {seconds:g} s"
                )
                stop = either(
                    "stop what runs: list_kernels shows it, interrupt_kernel interrupts it",
                    "stop what runs: interrupt_kernel interrupts it",
                    "ask a person to interrupt what runs",
                )
                raise KernelBusyError(
                    f"{what}; nothing was run. Try again later, give a longer `timeout`, or {stop}."
                ) from error
            yield kernel

    async def _unchanging(self, kernel_id: str, run: Run) -> None:
        """Wait for the end of what changes the kernel: until then it takes requests that it will never answer.

        Raises MovedError if the kernel is gone after it.
        """
        if not self.changing.held(kernel_id):
            return
        while self.changing.held(kernel_id):
            run.wait_for(CHANGE)
            async with self.changing(kernel_id):
                pass
        if not self.kernels.there(kernel_id):
            raise MovedError

    def _what_connecting_waits_for(self, kernel_id: str) -> str:
        state = self.kernels.state_of(kernel_id)
        return OTHERS_CELL if state == "busy" else ANSWER if state == "idle" else START

    async def free(self, kernel: Kernel, run: Run) -> None:
        """Wait until the kernel is idle. Raises KernelUnavailableError when it goes away meanwhile."""
        run.wait_for(OTHERS_CELL)
        while not kernel.idle.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(kernel.idle.wait(), ALIVE_EVERY)
            if (fate := await self.kernels.fate(kernel)) is not None:
                await self.kernels.drop(kernel.id)
                raise KernelUnavailableError(gone(fate, "while the call waited for its turn, and nothing was run"))
            if time.monotonic() - kernel.heard > IDLE_WITHIN:
                kernel.probe()  # its idle may have been lost
        run.wait_for(None)

    async def run(
        self, kernel: Kernel, source: str, run: Run, step: Step, sink: OutputSink, seconds: float | None
    ) -> None:
        """Run `source` on a kernel whose turn the run has; its outputs go into `sink`, how it ended into `step`.

        After `seconds`, and when the run is asked to stop, the kernel is interrupted; it may ignore that.
        """
        sink.displays = kernel.displays
        await sink.settled()
        kernel.ended.forget(sink.live, sink.cell_id)
        request = ExecuteRequest(sink)
        message_id = ""
        outcome: Outcome = State.INTERRUPTED, None  # if the server stops meanwhile
        step.begin(sink)
        try:
            sink.begin()
            with span("jupyter_mcp.kernels.kernel.execute", kernel=kernel.id):
                message_id = kernel.execute(source, history=bool(step.cell_id))
                kernel.runs[message_id] = request
                outcome = await self._follow(kernel, request, run, step, seconds)
        except Exception as error:
            outcome = State.ERROR, error
            raise
        finally:
            await sink.settled()
            kernel.show_tail(request)
            sink.end(request.count)
            if step.cell_id:
                request.sink = kernel.ended.add(message_id, LateOutput(sink, request.count))
            kernel.runs.pop(message_id, None)
            step.count = request.count
            self.runs.end(step, *outcome)

    async def _follow(
        self, kernel: Kernel, request: ExecuteRequest, run: Run, step: Step, seconds: float | None
    ) -> Outcome:
        deadline = None if seconds is None else time.monotonic() + seconds
        asked, asked_at, sent = run.stops, 0.0, 0
        done = asyncio.ensure_future(request.done.wait())
        try:
            while not request.done.is_set():
                run.wake.clear()
                if deadline is not None and time.monotonic() >= deadline:
                    deadline = None
                    run.stop(f"ran over {seconds:g} s")
                if run.stops > asked:
                    asked, asked_at = run.stops, time.monotonic()
                # Not before it has begun: the kernel would interrupt somebody else's cell, that came in between.
                if asked > sent and request.began.is_set():
                    sent = asked
                    await self.interrupt(kernel)
                left = ALIVE_EVERY if deadline is None else min(ALIVE_EVERY, deadline - time.monotonic())
                await _either(done, run.wake, max(left, 0))
                if (ended := await self._look(kernel, request)) is not None:
                    return State.ERROR, ended
                step.messages = request.messages
                run.wait_for(None if request.began.is_set() else OTHERS_CELL)
                known = asked == run.stops and not request.done.is_set()
                if asked and known and time.monotonic() - asked_at >= self.grace:
                    run.ignored.set()
        finally:
            done.cancel()
            run.wait_for(None)
        return self._outcome(request, run, seconds, interrupted=sent > 0)

    async def _look(self, kernel: Kernel, request: ExecuteRequest) -> KernelUnavailableError | None:
        """Look whether the end was lost, or the kernel; return the error in that case."""
        request.settle_without_idle(IDLE_WITHIN)
        if request.lacks_reply and time.monotonic() - request.heard > IDLE_WITHIN:
            kernel.probe()
        if request.done.is_set():
            return None
        error: KernelUnavailableError | None = None
        if (fate := await self.kernels.fate(kernel)) is not None:
            when = (
                "while the cell ran" if request.began.is_set() else "before the cell began, and nothing of it was run"
            )
            request.fate, error = fate, KernelUnavailableError(gone(fate, when))
        elif not kernel.connected:
            request.fate = Fate.LOST
            error = KernelUnavailableError("The connection to the kernel broke while the cell ran; run it again.")
        if error is not None:
            # Who shut it down or restarted it knows, and what the server has to say belongs into no cell.
            await self.kernels.drop(kernel.id)
        return error

    def _outcome(self, request: ExecuteRequest, run: Run, seconds: float | None, *, interrupted: bool) -> Outcome:
        if request.lost:
            run.notices.append(request.lost)
        run.notices.extend(request.said)
        late = run.stopped_for is not None and run.stopped_for.startswith("ran over")
        if request.aborted and not interrupted:
            return State.ERROR, KernelUnavailableError(
                "The kernel dropped the run because a cell before it failed; run it again."
            )
        if request.error is None and not request.aborted:
            if interrupted:
                run.notices.append(
                    f"The cell {run.stopped_for} and was interrupted; it went on to its end all the same."
                )
            return State.DONE, None
        if not interrupted and request.error != "KeyboardInterrupt":
            return State.ERROR, None
        if interrupted and late:
            return State.INTERRUPTED, ExecutionTimeoutError(
                f"The cell ran over {seconds:g} s and was interrupted; give a longer `timeout`."
            )
        return State.INTERRUPTED, None

    async def interrupt(self, kernel: Kernel) -> None:
        """Interrupt what the kernel runs; it may ignore that."""
        with suppress(TimeoutError):
            await asyncio.wait_for(kernel.interrupt(), self.grace)

    async def close(self) -> None:
        """Disconnect from every kernel; Jupyter decides whether they go on."""
        await self.kernels.close()


async def _either(done: asyncio.Future[Any], wake: asyncio.Event, seconds: float) -> None:
    """Wait until one of them is so, but no longer than `seconds`."""
    waking = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait({done, waking}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waking.cancel()
