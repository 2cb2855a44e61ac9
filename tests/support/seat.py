"""A notebook whose cells run on a fake kernel: everything of ours in between is real."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_mcp.kernels import execution
from jupyter_mcp.kernels.execution import Execution
from jupyter_mcp.kernels.kernels import Kernels
from jupyter_mcp.kernels.runs import Run, Runs
from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.running import Running, outputs_of
from jupyter_mcp.rooms.live import Live

from .fake_kernel import FakeKernel, FakeManager, FakeManagers, FakeSessions, FakeSpecs, Script
from .fake_live import notebook_of

WITHIN = 20.0  # seconds in which everything must have ended


@dataclass
class Seat:
    """What a test works with."""

    live: Live
    running: Running
    kernels: Kernels
    execution: Execution
    fake: FakeKernel
    manager: FakeManager
    managers: FakeManagers
    sessions: FakeSessions

    def start(self, script: Script | None = None, at: int = 0, seconds: float | None = None) -> Run:
        """Start a run of a cell, as the tool does."""
        self.fake.script = script
        return self.running.cell(self.live, at, by="an agent", seconds=seconds)

    async def run(
        self, script: Script | None = None, at: int = 0, seconds: float | None = None
    ) -> list[dict[str, Any]]:
        """Run a cell, wait for its end and return its outputs, or raise what it could not be run for."""
        run = self.start(script, at, seconds)
        with run.steps[0].held():  # as the tool does
            await asyncio.wait_for(run.over.wait(), WITHIN)
            return outputs_of(run)


@asynccontextmanager
async def seat(
    *sources: str, size: int = 8 << 20, messages: int = 20_000, ready: float = 10, grace: float = 1, **options: Any
) -> AsyncIterator[Seat]:
    """Yield a notebook of these cells, on a kernel that a person has started."""
    fake = FakeKernel()
    manager = FakeManager(fake)
    managers = FakeManagers(k=manager)
    sessions = FakeSessions(managers)
    sessions.note("n.ipynb", "k")
    settings = {"session_manager": sessions, "kernel_manager": managers, "kernel_spec_manager": FakeSpecs("python3")}
    kernels = Kernels(settings, logging.getLogger("seat"), ready_timeout=ready, **options)
    execution = Execution(kernels, Runs(logging.getLogger("seat")), grace=grace)
    running = Running(
        Cells(typing_grace=0), execution, max_output_bytes=size, max_output_messages=messages, execution_timeout=None
    )
    live = notebook_of(*(sources or ("hello",)))
    try:
        yield Seat(live, running, kernels, execution, fake, manager, managers, sessions)
    finally:
        await execution.runs.close()
        await execution.close()
        await fake.stop()


def within(test: Callable[[Seat], Awaitable[None]], *sources: str, **options: Any) -> None:
    """Run a test of a notebook with these cells."""

    async def run() -> None:
        async with seat(*sources, **options) as one:
            await test(one)

    asyncio.run(run())


async def waiting_run(one: Seat) -> Run:
    """Return a run that waits, while a person's cell keeps the kernel busy."""
    kernel = await one.kernels.connect("k")
    one.fake.publish("status", {"execution_state": "busy"}, parent_header={"msg_id": "a person's"})
    while kernel.idle.is_set():  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.005)
    run = one.start()
    while run.waits_for != execution.OTHERS_CELL:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0.005)
    return run
