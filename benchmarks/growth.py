"""How memory and latency grow: with cells, with agents, and with edits of one cell."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from .client import Agent
from .notebooks import cell_id, write
from .samples import Results
from .subjects import Cell, Subject
from .viewer import watching

MEASURE = "growth"
SETTLE = 3.0  # seconds until a save is over
LAST = 20  # calls whose latency counts after a number of edits


async def measure(
    subjects: list[Subject], results: Results, sizes: list[int], agents: list[int], edits: list[int]
) -> None:
    """Take each subject's resident memory; its server is restarted for each size."""
    for size in sizes:
        await asyncio.gather(*(_opened(subject, results, size) for subject in subjects))
    await asyncio.gather(*(_restart(subject) for subject in subjects))
    for subject in subjects:
        await _connected(subject, results, agents)
    for subject in subjects:
        await _edited(subject, results, edits)


async def _restart(subject: Subject) -> None:
    subject.server.stop()
    await subject.server.start()


def _megabytes(subject: Subject) -> float:
    return subject.server.memory() / (1 << 20)


async def _opened(subject: Subject, results: Results, size: int) -> None:
    await _restart(subject)
    path = write(subject.server.root, f"growth-{size}.ipynb", size)
    async with watching(subject.server, path):
        agent = await subject.agent(path)
        for call in (subject.read(Cell(path, 0, cell_id(0))), subject.insert(Cell(path, 0), "x")):
            await agent.call(call.tool, call.arguments)
        await asyncio.sleep(SETTLE)
        results.series(MEASURE, "memory, one open notebook of N cells", subject.name, size, "MB").values.append(
            _megabytes(subject)
        )
        await agent.close()


async def _connected(subject: Subject, results: Results, counts: list[int]) -> None:
    path = write(subject.server.root, "growth-agents.ipynb", 10)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(watching(subject.server, path))
        call = subject.read(Cell(path, 0, cell_id(0)))
        agents: list[Agent] = []
        for count in sorted(counts):
            while len(agents) < count:
                agents.append(await subject.agent(path))
                stack.push_async_callback(agents[-1].close)
                await agents[-1].call(call.tool, call.arguments)
            await asyncio.sleep(1)
            results.series(MEASURE, "memory, N agents connected", subject.name, count, "MB").values.append(
                _megabytes(subject)
            )
            for agent in agents[-LAST:]:
                with results.timing(MEASURE, "read, N agents connected", subject.name, count):
                    await agent.call(call.tool, call.arguments)


async def _edited(subject: Subject, results: Results, counts: list[int]) -> None:
    path = write(subject.server.root, "growth-edits.ipynb", 10)
    async with watching(subject.server, path):
        agent = await subject.agent(path)
        recent: list[float] = []
        for number in range(1, max(counts) + 1):
            call = subject.update(Cell(path, 0, cell_id(0)), f"value = {number}")
            started = time.perf_counter()
            await agent.call(call.tool, call.arguments)
            recent.append((time.perf_counter() - started) * 1000)
            if number in counts:
                results.series(MEASURE, "update after N updates", subject.name, number).values.extend(recent[-LAST:])
                results.series(MEASURE, "memory after N updates", subject.name, number, "MB").values.append(
                    _megabytes(subject)
                )
        await agent.close()
