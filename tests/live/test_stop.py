"""Edit, stop the server in good order (SIGTERM) at once, restart, reconnect: nothing lost, nothing twice.

JUPYTER_MCP_STOP_ROUNDS sets the rounds; 5 is the default.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import sqlite3
from contextlib import closing

import httpx
import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from .conftest import MakeServer, Server
from .person import in_room
from .test_crash import GONE, Kept, edit, read
from .test_outside import on_disk
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


@pytest.mark.slow
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


def stored(server: Server) -> list[str]:
    """Return the cells' sources as jupyter-collaboration's store has them."""
    document: Doc[object] = Doc()
    with closing(sqlite3.connect(server.folder / ".jupyter_ystore.db")) as database:
        for (update,) in database.execute("SELECT yupdate FROM yupdates ORDER BY timestamp"):
            document.apply_update(update)
    return [str(cell["source"]) for cell in YNotebook(document).ycells]


@pytest.mark.parametrize("who", ["an agent", "people alone"])
def test_what_is_typed_as_the_server_stops_is_in_file_and_store(make_server: MakeServer, who: str) -> None:
    """A store that is behind the file gives the room another history: a tab then brings cells twice."""
    server = make_server()
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            if who == "an agent":
                await call(client, "insert_cell", path=path, index=0, source="first")
        async with in_room(server, path, YNotebook()), httpx.AsyncClient(headers=server.headers, timeout=30) as http:
            with contextlib.suppress(httpx.TransportError):
                await http.post(f"{server.url}serverside/fire/type-and-stop")

    with contextlib.suppress(*GONE):
        asyncio.run(run())
    assert server.process is not None
    server.process.wait(30)
    assert on_disk(server.folder / path)[-1] == "last", server.log
    assert stored(server) == on_disk(server.folder / path)
