"""Notebooks in files, opened in rooms: written, changed and looked at by tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat

from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.snapshot import read
from tests.support.rooms import Workshop, workshop

PATH = "a.ipynb"
CELLS = Cells(typing_grace=0)


def write(file: Path, *sources: str, **metadata: Any) -> None:
    cells = [nbformat.v4.new_code_cell(source, id=f"id-{number}") for number, source in enumerate(sources)]
    file.write_text(json.dumps({**nbformat.v4.new_notebook(cells=cells), "metadata": metadata}))


def insert(live: Live, source: str) -> None:
    CELLS.insert(live, -1, source, "code", None, None)


def sources(live: Live) -> list[str]:
    return [cell["source"] for cell in read(live.document)["cells"]]


def on_disk(file: Path) -> list[str]:
    for _ in range(100):
        with contextlib.suppress(json.JSONDecodeError):  # a thread of the contents manager is writing it
            return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
        time.sleep(0.02)
    return [file.read_text()]


async def until(probe: Callable[[], Any], wanted: Any) -> None:
    async with asyncio.timeout(20):
        while probe() != wanted:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)


def run(folder: Path, job: Callable[[Workshop], Awaitable[None]], **options: Any) -> None:
    async def with_rooms() -> None:
        async with workshop(folder, **options) as rooms:
            await job(rooms)

    asyncio.run(with_rooms())


async def live_is_saved(rooms: Workshop, live: Live) -> None:
    await rooms.rooms._live[live.room_id][1].finish()
