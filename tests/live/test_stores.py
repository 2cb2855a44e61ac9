"""Every room keeps its history by the same rules, whoever opened it."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from jupyter_ydoc import YNotebook

from .conftest import Server
from .person import in_room
from .test_tools import call


@pytest.mark.parametrize("first", ["page", "agent"])
def test_a_room_has_our_store_whoever_opens_it(server: Server, first: str) -> None:
    """Upstream's store passes over a database that is locked or full: it then has gaps, and is read after a crash."""

    async def run() -> dict[str, list[str]]:
        path = f"{first}.ipynb"
        async with server.client() as client, httpx.AsyncClient(headers=server.headers) as http:
            await call(client, "create_notebook", path=path)
            if first == "agent":
                await call(client, "open_notebook_session", path=path)
            async with in_room(server, path, YNotebook()):
                found: dict[str, list[str]] = (await http.get(f"{server.url}serverside/stores")).json()
        return found

    stores = asyncio.run(run())
    assert stores
    assert all("BatchedWrites" in classes for classes in stores.values()), stores
