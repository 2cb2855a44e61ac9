"""How many inserts a second several agents get into one notebook, with a viewer; and what of it the client takes."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import product

from .client import Agent
from .notebooks import write
from .samples import Results
from .subjects import Cell, JupyterMcp, Subject
from .viewer import watching

MEASURE = "load"
STARTS = (10, 1000)  # cells in the notebook at the beginning
INSERTS = 96  # in all, however many agents share them
REPEATS = 3
FLOOR = "empty tool, calls"
MEMORY = "memory after all of them"
SETTLE = 5.0  # seconds until the saves are over


async def measure(subjects: list[Subject], results: Results, clients: list[int]) -> None:
    for start, count, repeat in product(STARTS, clients, range(REPEATS)):
        turn = repeat % len(subjects)
        for subject in subjects[turn:] + subjects[:turn]:
            await _inserts(subject, results, start, count, repeat)
            if isinstance(subject, JupyterMcp) and start == STARTS[0]:
                await _floor(subject, results, count)
    await asyncio.sleep(SETTLE)
    for subject in subjects:
        results.series(MEASURE, MEMORY, subject.name, unit="MB").values.append(subject.server.memory() / (1 << 20))


def inserts(start: int) -> str:
    """Name the series of a notebook that begins with `start` cells."""
    return f"inserts from {start:,} cells"


async def _inserts(subject: Subject, results: Results, start: int, count: int, repeat: int) -> None:
    async with AsyncExitStack() as stack:
        path = write(subject.server.root, f"load-{start}-{count}-{repeat}.ipynb", start)
        view = await stack.enter_async_context(watching(subject.server, path))
        agents = []
        for _ in range(count):
            agents.append(await subject.agent(path))
            stack.push_async_callback(agents[-1].close)

        async def work(agent: Agent) -> None:
            for number in range(INSERTS // count):
                call = subject.insert(Cell(path, start // 2), f"inserted = {number}")
                await agent.call(call.tool, call.arguments)

        rate, busy = await _timed([work(agent) for agent in agents])
        results.series(MEASURE, inserts(start), subject.name, count, "1/s").values.append(rate)
        share = f"{inserts(start)}: the client's share of a core"
        results.series(MEASURE, share, subject.name, count, "%").values.append(busy)
        for _ in range(500):
            if len(view.ycells) == start + INSERTS:
                return
            await asyncio.sleep(0.01)
        lost = start + INSERTS - len(view.ycells)
        results.series(
            MEASURE, inserts(start), subject.name, count
        ).note = f"{lost} of {INSERTS} not seen by the viewer"


async def _floor(subject: JupyterMcp, results: Results, count: int) -> None:
    agents = [await Agent(subject.floor_url, subject.token).connect() for _ in range(count)]

    async def work(agent: Agent) -> None:
        for _ in range(INSERTS // count):
            await agent.call("nothing", {})

    rate, _ = await _timed([work(agent) for agent in agents])
    results.series(MEASURE, FLOOR, subject.name, count, "1/s").values.append(rate)
    for agent in agents:
        await agent.close()


async def _timed(jobs: list[object]) -> tuple[float, float]:
    """Run the jobs together; gives calls a second, and the CPU per cent this process used meanwhile."""
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*jobs)  # type: ignore[call-overload]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return INSERTS / wall, 100 * cpu / wall
