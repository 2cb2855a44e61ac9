"""Edit, reply, `kill -9` at a random moment, restart, reconnect: nothing lost, nothing twice.

JUPYTER_MCP_CRASH_ROUNDS sets the rounds: 200 is the full measure, 3 the default.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets

import httpx2
import websockets
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_tools import call, fresh

ROUNDS = int(os.environ.get("JUPYTER_MCP_CRASH_ROUNDS", "3"))
GONE = (
    httpx2.TransportError,
    ToolError,
    RuntimeError,
    ExceptionGroup,
    websockets.ConnectionClosed,
    ConnectionError,
)


async def crash_once(server: Server, path: str, tab: YNotebook, number: int, wait: float, kept: list[str]) -> None:
    """Edit with a person in the room, then kill the server `wait` seconds after the reply."""
    async with in_room(server, path, tab), server.client() as client:
        source = f"round = {number}"
        await call(client, "insert_cell", path=path, index=-1, source=source)
        kept.append(source)
        await asyncio.sleep(wait)
        server.kill()


def test_nothing_acknowledged_is_lost_or_doubled(make_server: MakeServer) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    server = make_server()
    path = fresh()
    kept = [""]
    tab = YNotebook()

    async def begin() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)

    async def read() -> list[str]:
        async with in_room(server, path, tab), server.client() as client:
            await call(client, "open_notebook_session", path=path)
            cells = (await call(client, "get_notebook", path=path))["cells"]
        assert len({cell["id"] for cell in cells}) == len(cells)
        assert [str(cell["source"]) for cell in tab.ycells] == [cell["source"] for cell in cells]
        return [cell["source"] for cell in cells]

    asyncio.run(begin())
    for number in range(ROUNDS):
        with contextlib.suppress(*GONE):
            asyncio.run(crash_once(server, path, tab, number, chance.uniform(0, 2), kept))
        assert kept[-1] == f"round = {number}", "the edit was never acknowledged"
        server.start()
        assert asyncio.run(read()) == kept, f"round {number}, seed {seed}"
