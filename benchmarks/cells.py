"""What reading, inserting, updating and deleting one cell costs, against the size of the notebook; with a viewer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from jupyter_ydoc import YNotebook

from .client import STATELESS, Agent
from .errors import CallError
from .notebooks import cell_id, write
from .samples import Results
from .subjects import Call, Cell, JupyterMcp, Subject
from .viewer import watching

MEASURE = "cells"
WARM_UP = 3  # rounds that are not counted
SEEN_WITHIN = 5.0  # seconds until the viewer must have seen an edit


@dataclass
class _Seat:
    """A subject at work on one notebook."""

    subject: Subject
    path: str
    agent: Agent
    view: YNotebook
    floors: dict[str, Agent]


async def measure(subjects: list[Subject], results: Results, sizes: list[int], rounds: int) -> None:
    # There and back, so that a drift of the machine does not look like a growth with the size.
    for leg, size in enumerate([*sizes, *reversed(sizes)]):
        async with AsyncExitStack() as stack:
            seats = [await _sit(stack, subject, size, leg) for subject in subjects]
            for number in range(-WARM_UP, rounds // 2):
                kept = results if number >= 0 else Results()
                turn = number % len(seats)
                for seat in seats[turn:] + seats[:turn]:
                    await _round(seat, kept, size, number)
            for seat in seats:
                await _whole(seat, results, size, max(2, rounds // 10))


async def _sit(stack: AsyncExitStack, subject: Subject, size: int, leg: int) -> _Seat:
    path = write(subject.server.root, f"cells-{size}-{leg}.ipynb", size)
    view = await stack.enter_async_context(watching(subject.server, path))
    agent = await subject.agent(path)
    stack.push_async_callback(agent.close)
    floors = {}
    if isinstance(subject, JupyterMcp):
        floors["floor"] = await Agent(subject.floor_url, subject.token).connect()
        floors["floor, 2026-07-28"] = await Agent(subject.floor_url, subject.token, STATELESS).connect()
        for floor in floors.values():
            stack.push_async_callback(floor.close)
    return _Seat(subject, path, agent, view, floors)


async def _round(seat: _Seat, results: Results, size: int, number: int) -> None:
    subject, middle = seat.subject, size // 2
    known = Cell(seat.path, 0, cell_id(0))
    # Not counted: it wakes a process that waited for its turn.
    await _time(seat, Results(), "read", size, subject.read(known))
    for what, floor in seat.floors.items():
        with results.timing(MEASURE, what, subject.name, size):
            await floor.call("nothing", {})
    await _time(seat, results, "read", size, subject.read(known))
    if isinstance(subject, JupyterMcp):
        last = Cell(seat.path, size - 1, cell_id(size - 1))
        await _time(seat, results, "read by id", size, subject.read_by_id(last))
    await _time(seat, results, "update", size, subject.update(known, f"value_00000 = compute({number})"))
    await _time(seat, results, "insert", size, subject.insert(Cell(seat.path, middle), f"inserted = {number}"))
    await _seen(seat, size + 1)
    inserted = Cell(seat.path, middle, str(seat.view.ycells[middle].get("id", "")))
    await _time(seat, results, "delete", size, subject.delete(inserted))
    await _seen(seat, size)


async def _time(seat: _Seat, results: Results, what: str, size: int, call: Call) -> None:
    """Time a call; one that fails counts as a failure and not as a time."""
    try:
        with results.timing(MEASURE, what, seat.subject.name, size):
            await seat.agent.call(call.tool, call.arguments)
    except CallError:
        results.series(MEASURE, what, seat.subject.name, size).failures += 1


async def _seen(seat: _Seat, count: int) -> None:
    """Wait until the viewer has `count` cells: an edit that does not reach people is not one."""
    for _ in range(int(SEEN_WITHIN / 0.002)):
        if len(seat.view.ycells) == count:
            return
        await asyncio.sleep(0.002)
    raise CallError(f"{seat.subject.name}: the viewer has {len(seat.view.ycells)} cells and not {count}.")


async def _whole(seat: _Seat, results: Results, size: int, times: int) -> None:
    call = seat.subject.whole(seat.path)
    sizes = results.series(MEASURE, "whole notebook, reply", seat.subject.name, size, "KB")
    for _ in range(times):
        with suppress(CallError), results.timing(MEASURE, "whole notebook", seat.subject.name, size):
            reply = await seat.agent.call(call.tool, call.arguments)
            sizes.values = [reply.size / 1024]
