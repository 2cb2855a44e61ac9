"""Edit, reply, `kill -9` at a random moment, restart, reconnect: nothing lost, nothing twice.

JUPYTER_MCP_CRASH_ROUNDS sets the rounds: 200 is the full measure, 3 the default.
JUPYTER_MCP_CRASH_REPORT names a file that gets a line for each round.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_tools import call, fresh

ROUNDS = int(os.environ.get("JUPYTER_MCP_CRASH_ROUNDS", "3"))
REPORT = os.environ.get("JUPYTER_MCP_CRASH_REPORT")
KINDS = ("insert", "run", "update", "delete", "insert")
GONE = (
    httpx2.TransportError,
    ToolError,
    RuntimeError,
    ExceptionGroup,
    websockets.ConnectionClosed,
    ConnectionError,
)


@dataclass
class Kept:
    """What was acknowledged: the cells' sources in order, and the output of those that ran."""

    sources: list[str] = field(default_factory=lambda: [""])
    outputs: dict[str, str] = field(default_factory=dict)
    acknowledged: int = -1


async def edit(client: Any, path: str, number: int, kind: str, kept: Kept) -> None:
    source = f"print('round', {number})"
    if kind == "update" and len(kept.sources) > 1:
        await call(client, "update_cell", path=path, index=-1, source=source)
        kept.outputs.pop(kept.sources[-1], None)
        kept.sources[-1] = source
    elif kind == "delete" and len(kept.sources) > 5:
        await call(client, "delete_cell", path=path, index=1)
        kept.outputs.pop(kept.sources.pop(1), None)
    else:
        await call(client, "insert_cell", path=path, index=-1, source=source)
        kept.sources.append(source)
    if kind == "run":
        await call(client, "execute_cell", path=path, index=-1)
        kept.outputs[kept.sources[-1]] = f"round {number}\n"
    kept.acknowledged = number


async def crash_once(
    server: Server, path: str, tab: YNotebook, number: int, wait: float, kind: str, kept: Kept
) -> None:
    """Edit with a person in the room, then kill the server `wait` seconds after the reply."""
    async with in_room(server, path, tab), server.client() as client:
        await edit(client, path, number, kind, kept)
        await asyncio.sleep(wait)
        server.kill()


async def read(server: Server, path: str, tab: YNotebook) -> list[dict[str, Any]]:
    """Reconnect the person's tab, and give the cells that agents see."""
    async with in_room(server, path, tab), server.client() as client:
        await call(client, "open_notebook_session", path=path)
        cells = (await call(client, "get_notebook", path=path))["cells"]
    assert [str(cell["source"]) for cell in tab.ycells] == [cell["source"] for cell in cells]
    return list(cells)


def output_of(cell: dict[str, Any]) -> str:
    return "".join(output.get("text", "") for output in cell["outputs"])


@pytest.mark.timeout(max(600, 60 * ROUNDS))
def test_nothing_acknowledged_is_lost_or_doubled(make_server: MakeServer) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    server = make_server()
    path = fresh()
    kept = Kept()
    tab = YNotebook()

    async def begin() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)

    asyncio.run(begin())
    for number in range(ROUNDS):
        wait, kind = chance.uniform(0, 2), KINDS[number % len(KINDS)]
        with contextlib.suppress(*GONE):
            asyncio.run(crash_once(server, path, tab, number, wait, kind, kept))
        assert kept.acknowledged == number, f"the {kind} was never acknowledged; {server.log}"
        server.start()
        cells = asyncio.run(read(server, path, tab))
        said = f"round {number}, {kind}, killed after {wait:.2f} s, seed {seed}"
        if REPORT:
            with Path(REPORT).open("a") as report:
                report.write(f"{said}: {len(cells)} cells\n")
        assert [cell["source"] for cell in cells] == kept.sources, said
        assert len({cell["id"] for cell in cells}) == len(cells), said
        ran = {cell["source"]: output_of(cell) for cell in cells}
        assert {source: ran[source] for source in kept.outputs} == kept.outputs, said
