"""Running cells: one queue per kernel, bounded waits, and an interrupt when nobody waits any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_mcp.errors import ClientGoneError, ExecutionTimeoutError, KernelBusyError, KernelUnavailableError
from jupyter_mcp.locks import KeyedLocks
from jupyter_mcp.telemetry import span

from .fate import Fate, gone
from .kernel import Kernel
from .kernels import Kernels
from .late_output import LateOutput
from .outputs import OutputSink
from .runs import Run

ALIVE_EVERY = 0.5  # seconds between looks at a kernel's process while a cell runs
PROGRESS_EVERY = 2.0  # seconds between progress reports

IDLE_WITHIN = 5.0  # seconds without a message after the reply: the kernel then dropped its idle

T = TypeVar("T")
Progress = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True)
class Patience:
    """How long a caller waits: `seconds` for its turn and as long again for the run; None is for ever."""

    seconds: float | None
    gone: asyncio.Event
    progress: Progress

    def deadline(self) -> float | None:
        """Give the end of one wait that begins now."""
        return None if self.seconds is None else time.monotonic() + self.seconds

    async def until(
        self, what: Coroutine[Any, Any, T] | asyncio.Future[T], deadline: float | None, late: Exception
    ) -> T:
        """Await `what`; raises `late` past the deadline and ClientGoneError when the client leaves."""
        task = asyncio.ensure_future(what)
        gone = asyncio.ensure_future(self.gone.wait())
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            await asyncio.wait({task, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ClientGoneError("The client left; nothing was run.") if gone.done() else late
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


class Execution:
    """Runs code on the kernels of notebooks."""

    def __init__(self, kernels: Kernels, *, grace: float) -> None:
        self.kernels = kernels
        self._grace = grace
        self._turns = KeyedLocks()
        self._reaping: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def turn(self, kernel_id: str, patience: Patience) -> AsyncIterator[Kernel]:
        """Wait for the kernel to be free, also of what people run on it; then it is the caller's.

        Raises KernelBusyError when it is not within the caller's patience.
        """
        deadline = patience.deadline()
        late = KernelBusyError(
            f"The kernel is busy with another cell for over {patience.seconds} s; nothing was run. "
            "Try again later, give a longer `timeout`, or interrupt the kernel."
        )
        lock = self._turns(kernel_id)
        entering = asyncio.ensure_future(lock.__aenter__())
        try:
            await patience.until(entering, deadline, late)
            # A kernel that is starting has its own limit.
            connecting = deadline if self.kernels.is_busy(kernel_id) else None
            kernel = await patience.until(self.kernels.connect(kernel_id), connecting, late)
            await patience.until(self._free(kernel), deadline, late)
            yield kernel
        finally:
            if entering.done() and not entering.cancelled():
                await lock.__aexit__(None, None, None)

    async def _free(self, kernel: Kernel) -> None:
        """Wait until the kernel is idle. Raises KernelUnavailableError when it goes away meanwhile."""
        while not kernel.idle.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(kernel.idle.wait(), ALIVE_EVERY)
            if (fate := await self.kernels.fate(kernel)) is not None:
                await self.kernels.drop(kernel.id)
                raise KernelUnavailableError(gone(fate, "while the call waited for its turn, and nothing was run"))
            if time.monotonic() - kernel.heard > IDLE_WITHIN:
                kernel.probe()  # its idle may have been lost

    async def run(self, kernel: Kernel, source: str, sink: OutputSink, patience: Patience) -> None:
        """Run `source` on a kernel whose turn the caller has; its outputs go into `sink`.

        Timeout, cancellation and a vanished client interrupt the kernel. Raises
        ExecutionTimeoutError, ClientGoneError or KernelUnavailableError.
        """
        sink.displays = kernel.displays
        await sink.settled()
        kernel.ended.forget(sink.live, sink.cell_id)
        sink.begin()
        run = Run(sink)
        with span("jupyter_mcp.kernels.kernel.execute", kernel=kernel.id):
            message_id = kernel.execute(source)
            kernel.runs[message_id] = run
            try:
                await self._follow(kernel, run, patience)
            except KernelUnavailableError as error:
                if run.fate is Fate.DIED:
                    sink.fail("DeadKernel", str(error))
                # Who shut it down or restarted it knows: nothing of ours belongs into the cell.
                if run.fate is not None:
                    await self.kernels.drop(kernel.id)
                raise
            except (ExecutionTimeoutError, ClientGoneError) as error:
                sink.fail("Interrupted", str(error))
                await self._interrupt(kernel, message_id, run)
                raise
            except asyncio.CancelledError:
                sink.fail("Interrupted", "The call was cancelled; the cell was interrupted.")
                await asyncio.shield(self._interrupt(kernel, message_id, run))
                raise
            finally:
                await sink.settled()
                kernel.show_tail(run)
                sink.end(run.count)
                run.sink = kernel.ended.add(message_id, LateOutput(sink, run.count))
                if not run.reaped:
                    del kernel.runs[message_id]

    async def _follow(self, kernel: Kernel, run: Run, patience: Patience) -> None:
        began = reported = time.monotonic()
        deadline = patience.deadline()
        waits = [asyncio.ensure_future(event.wait()) for event in (run.done, patience.gone)]
        try:
            while not run.done.is_set():
                now = time.monotonic()
                left = ALIVE_EVERY if deadline is None else min(ALIVE_EVERY, deadline - now)
                if left <= 0:
                    raise ExecutionTimeoutError(
                        f"The cell ran over {patience.seconds:g} s and was interrupted; give a longer `timeout`."
                    )
                await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if patience.gone.is_set():
                    raise ClientGoneError("The client left; the cell was interrupted.")
                run.settle_without_idle(IDLE_WITHIN)
                if run.lacks_reply and time.monotonic() - run.heard > IDLE_WITHIN:
                    kernel.probe()
                if not run.done.is_set() and (fate := await self.kernels.fate(kernel)) is not None:
                    run.fate = fate
                    raise KernelUnavailableError(gone(fate, "while the cell ran"))
                if not run.done.is_set() and not kernel.connected:
                    run.fate = Fate.LOST
                    raise KernelUnavailableError("The connection to the kernel broke while the cell ran; run it again.")
                if time.monotonic() - reported >= PROGRESS_EVERY:
                    reported = time.monotonic()
                    await patience.progress(reported - began, f"running; {run.messages} output messages so far")
        finally:
            for wait in waits:
                wait.cancel()
        if run.aborted:
            raise KernelUnavailableError("The kernel dropped the run because a cell before it failed; run it again.")

    async def _interrupt(self, kernel: Kernel, message_id: str, run: Run) -> None:
        """Interrupt and wait up to `grace` seconds for the end, so that the next run starts clean."""
        if not run.began.is_set():
            # Somebody else's cell runs; ours waits in the kernel. It must not run unseen later.
            run.reaped = True
            task = asyncio.create_task(self._reap(kernel, message_id, run))
            self._reaping.add(task)
            task.add_done_callback(self._reaping.discard)
            return
        await kernel.interrupt()
        with suppress(TimeoutError):
            await asyncio.wait_for(run.done.wait(), self._grace)

    async def _reap(self, kernel: Kernel, message_id: str, run: Run) -> None:
        try:
            while not run.began.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(run.began.wait(), ALIVE_EVERY)
                if not await kernel.is_alive():
                    return
            await kernel.interrupt()
            with suppress(TimeoutError):
                await asyncio.wait_for(run.done.wait(), self._grace)
        finally:
            kernel.runs.pop(message_id, None)

    async def close(self) -> None:
        """Disconnect from every kernel; Jupyter decides whether they go on."""
        for task in list(self._reaping):
            task.cancel()
        await asyncio.gather(*self._reaping, return_exceptions=True)
        await self.kernels.close()
