"""A notebook whose cells run on a fake kernel: everything of ours in between is real."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_mcp.kernels.execution import Execution
from jupyter_mcp.kernels.kernels import Kernels
from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.rooms.live import Live

from .fake_kernel import FakeKernel, FakeManager, FakeManagers, FakeSessions, FakeSpecs, Script
from .fake_live import notebook_of

WITHIN = 20.0  # seconds in which everything must have ended


@dataclass
class Seat:
    """What a test works with."""

    live: Live
    cells: Cells
    kernels: Kernels
    execution: Execution
    fake: FakeKernel
    manager: FakeManager
    managers: FakeManagers
    sessions: FakeSessions
    gone: asyncio.Event

    async def run(
        self, script: Script | None = None, at: int = 0, seconds: float | None = None
    ) -> list[dict[str, Any]]:
        """Run a cell, as the tool does."""
        self.fake.script = script
        return await asyncio.wait_for(
            self.cells.execute(self.live, at, expected=None, seconds=seconds, gone=self.gone, progress=_progress),
            WITHIN,
        )


async def _progress(_seconds: float, _message: str) -> None:
    pass


@asynccontextmanager
async def seat(
    *sources: str, size: int = 8 << 20, messages: int = 20_000, ready: float = 10, grace: float = 1, **options: Any
) -> AsyncIterator[Seat]:
    """Give a notebook of these cells, on a kernel that a person has started."""
    fake = FakeKernel()
    manager = FakeManager(fake)
    managers = FakeManagers(k=manager)
    sessions = FakeSessions(managers)
    sessions.note("n.ipynb", "k")
    settings = {"session_manager": sessions, "kernel_manager": managers, "kernel_spec_manager": FakeSpecs("python3")}
    kernels = Kernels(settings, logging.getLogger("seat"), ready_timeout=ready, **options)
    execution = Execution(kernels, grace=grace)
    cells = Cells(
        execution, max_output_bytes=size, max_output_messages=messages, execution_timeout=None, typing_grace=0
    )
    live = notebook_of(*(sources or ("hello",)))
    try:
        yield Seat(live, cells, kernels, execution, fake, manager, managers, sessions, asyncio.Event())
    finally:
        await execution.close()
        await fake.stop()
