"""What running a cell costs over the kernel itself, and how long a dead kernel goes unnoticed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from contextlib import AsyncExitStack, suppress

from jupyter_client.manager import start_new_async_kernel

from .client import Agent
from .errors import CallError
from .notebooks import write
from .samples import Results
from .subjects import Cell, Subject
from .viewer import watching

MEASURE = "execution"
RAW = "raw kernel"
WARM_UP = 3  # rounds that are not counted
SOURCE = "1+1"
RUN_WITHIN = 60  # seconds
KILL_AFTER = 2.0  # seconds into the run


async def measure(subjects: list[Subject], results: Results, rounds: int) -> None:
    """Time `1+1` on a kernel of our own and through each subject, in turns."""
    able = [subject for subject in subjects if subject.executes]
    manager, kernel = await start_new_async_kernel(stderr=subprocess.DEVNULL)
    try:
        async with AsyncExitStack() as stack:
            seats = [(subject, *await _sit(stack, subject)) for subject in able]
            for number in range(-WARM_UP, rounds):
                kept = results if number >= 0 else Results()
                started = time.perf_counter()
                await kernel.execute_interactive(SOURCE, output_hook=lambda _: None, timeout=RUN_WITHIN)
                raw = (time.perf_counter() - started) * 1000
                kept.series(MEASURE, SOURCE, RAW).values.append(raw)
                turn = number % len(seats) if seats else 0
                for subject, agent, cell in seats[turn:] + seats[:turn]:
                    took = await _run(subject, agent, cell)
                    kept.series(MEASURE, SOURCE, subject.name).values.append(took)
                    kept.series(MEASURE, f"{SOURCE}, over the raw kernel", subject.name).values.append(took - raw)
    finally:
        kernel.stop_channels()
        await manager.shutdown_kernel(now=True)


async def _sit(stack: AsyncExitStack, subject: Subject) -> tuple[Agent, Cell]:
    path = write(subject.server.root, "execution.ipynb", 10)
    await stack.enter_async_context(watching(subject.server, path))
    agent = await subject.agent()
    stack.push_async_callback(agent.close)
    await subject.prepare(agent, path, execute=True)
    cell = Cell(path, 0)
    call = subject.update(cell, SOURCE)
    await agent.call(call.tool, call.arguments)
    return agent, cell


async def _run(subject: Subject, agent: Agent, cell: Cell) -> float:
    call = subject.execute(cell, RUN_WITHIN)
    started = time.perf_counter()
    reply = await agent.call(call.tool, call.arguments)
    took = (time.perf_counter() - started) * 1000
    if "2" not in reply.text:
        raise CallError(f"{subject.name}: {SOURCE} gave {reply.text[:200]!r}")
    return took


async def measure_death(subjects: list[Subject], results: Results, limit: float) -> None:
    """Kill each subject's kernel in the middle of a run; time until the call ends, `limit` seconds at most."""
    await asyncio.gather(*(_death(one, results, limit) for one in subjects if one.executes))


async def _death(subject: Subject, results: Results, limit: float) -> None:
    async with AsyncExitStack() as stack:
        before = set(subject.server.kernels())
        path = write(subject.server.root, "death.ipynb", 3)
        await stack.enter_async_context(watching(subject.server, path))
        agent = await subject.agent()
        stack.push_async_callback(agent.close)
        await subject.prepare(agent, path, execute=True)
        cell = Cell(path, 0)
        for source in (SOURCE, "import time; time.sleep(3600)"):
            call = subject.update(cell, source)
            await agent.call(call.tool, call.arguments)
            if source == SOURCE:
                await _run(subject, agent, cell)
        call = subject.execute(cell, limit * 2)
        running = asyncio.create_task(agent.call(call.tool, call.arguments))
        await asyncio.sleep(KILL_AFTER)
        if running.done():
            raise CallError(f"{subject.name}: the long run ended before its kernel was killed.")
        for pid in set(subject.server.kernels()) - before:
            os.kill(pid, signal.SIGKILL)
        killed = time.perf_counter()
        series = results.series(MEASURE, "a killed kernel is noticed", subject.name, unit="s")
        done, _ = await asyncio.wait([running], timeout=limit)
        if done:
            series.values.append(time.perf_counter() - killed)
            running.exception()  # an error is the right answer
        else:
            series.note = f"not within {limit:g} s"
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
