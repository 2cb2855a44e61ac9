"""A subscriber of the 2026-07-28 era is told when a notebook's live document changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from jupyter_ydoc import YNotebook
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError

from .conftest import MakeServer, Server
from .person import in_room
from .test_bridge import settle
from .test_tools import call, fresh


@asynccontextmanager
async def sdk_client(server: Server) -> AsyncIterator[Client]:
    """Yield a client of the SDK itself: FastMCP's has no subscriptions."""
    async with (
        httpx2.AsyncClient(headers=server.headers, timeout=60) as http,
        Client(streamable_http_client(server.mcp, http_client=http)) as client,
    ):
        yield client


def test_a_subscriber_is_told_of_agents_and_peoples_changes(server: Server) -> None:
    path, other = fresh(), fresh()
    uri = f"notebook:///{path}"

    async def run() -> None:
        async with server.client() as agent, sdk_client(server) as subscriber:
            for made in (path, other):
                await call(agent, "create_notebook", path=made)
            before = server.counts()
            async with subscriber.listen(resource_subscriptions=[uri]) as events:
                assert (await call(agent, "close_notebook_session", path=path)).endswith("still in use)")
                await call(agent, "insert_cell", path=other, index=0, source="not asked for")
                await call(agent, "insert_cell", path=path, index=0, source="agent")
                assert await asyncio.wait_for(anext(events), 30) == ResourceUpdated(uri=uri)
                tab = YNotebook()
                async with in_room(server, path, tab):
                    tab.ycells.append(tab.create_ycell({"cell_type": "code", "source": "person", "metadata": {}}))
                    assert await asyncio.wait_for(anext(events), 30) == ResourceUpdated(uri=uri)
            await call(agent, "close_notebook_session", path=other)
            await call(agent, "close_notebook_session", path=path)
            await settle(server, before, ("rooms", "loaders"), slack=0)
            await settle(server, before, ("tasks",), slack=3)

    asyncio.run(run())


def test_a_subscription_needs_a_notebook_and_the_right_to_read(make_server: MakeServer) -> None:
    server = make_server(
        options=("--ServerApp.authorizer_class=serverside.ByPath",), environment={"ALLOWED": "write:contents"}
    )

    async def refused(path: str, why: str) -> None:
        async with sdk_client(server) as subscriber:
            with pytest.raises(MCPError, match=why):
                async with subscriber.listen(resource_subscriptions=[f"notebook:///{path}"]):
                    pass

    async def run() -> None:
        await refused("x.ipynb", "may not read")
        async with httpx2.AsyncClient(headers=server.headers) as http:
            await http.post(f"{server.url}serverside/fire/allow", json={"allowed": "read:contents"})
        await refused("missing.ipynb", "No notebook at")
        await refused("../x.ipynb", "leaves the root")

    asyncio.run(run())
