"""Waiting for a run within a call: bounded, with progress that names what is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastmcp.server.dependencies import get_context

from jupyter_mcp.kernels.runs import Run, Runs, State

from .toolbox import Toolbox, client_gone

LOOK_EVERY = 2.0  # seconds between looks at what there is to report
REPORT_EVERY = 15.0  # seconds between two reports of the same

Report = Callable[[float, str], Awaitable[None]]


async def waited(tools: Toolbox, run: Run, seconds: float | None, *, stops: bool = False, ignored: bool = True) -> None:
    """Wait for the run within a call; with `stops`, an explicit cancel of the call stops the run."""
    context = get_context()

    async def report(past: float, message: str) -> None:
        await context.report_progress(past, message=message)

    with tools.cancelling.stops(run if stops else None):
        await wait_for(run, tools.running.runs, seconds, client_gone(), report, ignored=ignored)


async def wait_for(
    run: Run, runs: Runs, seconds: float | None, gone: asyncio.Event, report: Report, *, ignored: bool = True
) -> None:
    """Wait until the run is over, for `seconds` at most (None: for ever), or until the client is gone.

    With `ignored`, also until it is known that the kernel ignores an interrupt.
    """
    if run.over.is_set():
        return
    began = time.monotonic()
    reported, told = began, ""
    events = [run.over, gone, *([run.ignored] if ignored else [])]
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        while not any(wait.done() for wait in waits):
            past = time.monotonic() - began
            if seconds is not None and past >= seconds:
                return
            left = LOOK_EVERY if seconds is None else min(LOOK_EVERY, seconds - past)
            done, _ = await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            now, text = time.monotonic(), what_it_does(run, runs)
            if not done and now - began >= LOOK_EVERY and (text != told or now - reported >= REPORT_EVERY):
                reported, told = now, text
                await report(now - began, text)
    finally:
        for wait in waits:
            wait.cancel()


def what_it_does(run: Run, runs: Runs) -> str:
    """Return in a few words what a run that is not over does or waits for."""
    step = run.current
    if run.ignored.is_set() and step is not None:
        return "the kernel was interrupted and has not obeyed; the cell still runs"
    if run.waits_for is None and step is not None:
        number = f"cell {run.steps.index(step) + 1} of {len(run.steps)} " if len(run.steps) > 1 else ""
        return f"{number}running; {step.messages} output messages so far"
    ahead = runs.ahead_of(run)
    if ahead and run.state is State.QUEUED:
        first = ahead[0]
        return f"queued: number {len(ahead)} in the queue behind a run of {first.by} ({first.id})"
    return f"waiting for {run.waits_for or 'the kernel'}"
