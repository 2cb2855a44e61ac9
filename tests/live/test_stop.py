"""Edit, stop the server in good order (SIGTERM) at once, restart, reconnect: nothing lost, nothing twice.

JUPYTER_MCP_STOP_ROUNDS sets the rounds; 5 is the default.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets

import pytest
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_crash import GONE, Kept, edit, read
from .test_tools import call, fresh

ROUNDS = int(os.environ.get("JUPYTER_MCP_STOP_ROUNDS", "5"))


async def stop_soon(server: Server, path: str, tab: YNotebook, number: int, wait: float, kept: Kept) -> None:
    """Let an agent add a cell and a person type into it, then stop the server `wait` seconds later."""
    async with in_room(server, path, tab), server.client() as client:
        await edit(client, path, number, "insert", kept)
        while len(tab.ycells) < len(kept.sources):  # noqa: ASYNC110 - the update comes by itself
            await asyncio.sleep(0.001)
        await asyncio.sleep(wait)
        await asyncio.to_thread(server.stop)


@pytest.mark.timeout(max(300, 30 * ROUNDS))
def test_a_tab_that_reconnects_after_an_orderly_stop_brings_nothing_twice(make_server: MakeServer) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    server = make_server()
    path, kept, tab = fresh(), Kept(), YNotebook()

    async def begin() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)

    asyncio.run(begin())
    for number in range(ROUNDS):
        wait = chance.choice((0.0, chance.uniform(0, 0.02), chance.uniform(0, 1.5)))
        with contextlib.suppress(*GONE):
            asyncio.run(stop_soon(server, path, tab, number, wait, kept))
        assert kept.acknowledged == number, server.log
        server.start()
        cells = asyncio.run(read(server, path, tab))
        said = f"round {number}, stopped after {wait:.3f} s, seed {seed}"
        assert [cell["source"] for cell in cells] == kept.sources, said
