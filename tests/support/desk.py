"""A notebook's seat with the control of its kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from jupyter_mcp.kernels.kernel_control import KernelControl
from jupyter_mcp.kernels.runs import Run
from tests.support.fake_kernel import FakeKernel, FakeManager, never_ends
from tests.support.fake_live import outputs_of as shown_in
from tests.support.seat import Seat, seat

WITHIN = 20.0


class Desk:
    """A seat, and the control of its kernels."""

    def __init__(self, one: Seat, root: str | None, within: float | None) -> None:
        self.one = one
        self.settings = {
            "session_manager": one.sessions,
            "kernel_manager": one.managers,
            "kernel_spec_manager": SimpleNamespace(get_all_specs=lambda: SPECS),
            "contents_manager": SimpleNamespace(root_dir=root),
        }
        self.control = KernelControl(self.settings, one.execution, within=within)
        self.others: list[FakeKernel] = []

    def another_kernel(self, name: str = "julia") -> FakeManager:
        """Let the next kernel that is started be another process, of this name."""
        fake = FakeKernel()
        self.others.append(fake)
        made = FakeManager(fake)
        made.kernel_name = name

        async def make(_: str | None) -> str:
            self.one.managers["new"] = made
            return "new"

        self.one.sessions.make = make
        return made

    def a_person_runs(self) -> None:
        """Have the kernel busy with somebody else's cell."""
        self.one.manager.execution_state = "busy"


SPECS: dict[str, Any] = {
    "python3": {"spec": {"display_name": "Python 3", "language": "python", "argv": ["x"]}},
    "julia": {"spec": {"display_name": "Julia", "language": "julia"}},
}
Job = Callable[[Desk], Awaitable[None]]


def within(job: Job, *sources: str, root: str | None = None, bound: float | None = 5, grace: float = 0.2) -> None:
    async def run() -> None:
        async with seat(*sources, grace=grace) as one:
            desk = Desk(one, root, bound)
            try:
                await asyncio.wait_for(job(desk), WITHIN)
            finally:
                if going_on := set(desk.control._tasks):  # they may connect to a kernel once more
                    await asyncio.wait(going_on, timeout=WITHIN)
                await one.execution.runs.close()
                await one.execution.close()
                for fake in desk.others:
                    await fake.stop()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.005)


async def running(desk: Desk, at: int = 0) -> Run:
    """Return a run whose cell runs, for ever unless it is interrupted."""
    run = desk.one.start(never_ends, at)
    await until(lambda: bool(shown_in(desk.one.live, at)))
    return run


async def ended(run: Run) -> None:
    await run.over.wait()
