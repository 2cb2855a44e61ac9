"""How memory and latency grow: with cells, with agents, and with edits of one cell."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress

from .client import Agent
from .errors import CallError
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
    await _connected(subjects, results, agents)
    await _edited(subjects, results, edits)


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
        await _read(subject, agent, path)
        call = subject.insert(Cell(path, 0), "x")
        await agent.call(call.tool, call.arguments)
        await asyncio.sleep(SETTLE)
        results.series(MEASURE, "memory, one open notebook of N cells", subject.name, size, "MB").values.append(
            _megabytes(subject)
        )
        await agent.close()


async def _connected(subjects: list[Subject], results: Results, counts: list[int]) -> None:
    async with AsyncExitStack() as stack:
        agents: dict[str, list[Agent]] = {subject.name: [] for subject in subjects}
        paths = {subject.name: await _open(stack, subject, "growth-agents.ipynb") for subject in subjects}
        for count in sorted(counts):
            for subject in subjects:
                mine, path = agents[subject.name], paths[subject.name]
                while len(mine) < count:
                    mine.append(await subject.agent(path))
                    stack.push_async_callback(mine[-1].close)
                    with suppress(CallError):  # one peer reads the file, also half written
                        await _read(subject, mine[-1], path)
            await asyncio.sleep(1)
            for subject in subjects:
                series = results.series(MEASURE, "memory, N agents connected", subject.name, count, "MB")
                series.values.append(_megabytes(subject))
            for number in range(LAST):
                for subject in subjects:
                    agent = agents[subject.name][number % count]
                    with suppress(CallError), results.timing(MEASURE, "read, N agents connected", subject.name, count):
                        await _read(subject, agent, paths[subject.name])


async def _open(stack: AsyncExitStack, subject: Subject, name: str) -> str:
    path = write(subject.server.root, name, 10)
    await stack.enter_async_context(watching(subject.server, path))
    return path


async def _read(subject: Subject, agent: Agent, path: str) -> None:
    call = subject.read(Cell(path, 0, cell_id(0)))
    await agent.call(call.tool, call.arguments)


async def _edited(subjects: list[Subject], results: Results, counts: list[int]) -> None:
    async with AsyncExitStack() as stack:
        seats = []
        for subject in subjects:
            path = await _open(stack, subject, "growth-edits.ipynb")
            agent = await subject.agent(path)
            stack.push_async_callback(agent.close)
            seats.append((subject, agent, path))
        for number in range(1, max(counts) + 1):
            # The number of updates that the last few before it lead up to, if any.
            target = next((count for count in counts if count - LAST < number <= count), None)
            for subject, agent, path in seats:
                call = subject.update(Cell(path, 0, cell_id(0)), f"value = {number}")
                started = time.perf_counter()
                await agent.call(call.tool, call.arguments)
                took = (time.perf_counter() - started) * 1000
                if target is not None:
                    results.series(MEASURE, "update after N updates", subject.name, target).values.append(took)
                if number == target:
                    memory = results.series(MEASURE, "memory after N updates", subject.name, number, "MB")
                    memory.values.append(_megabytes(subject))
