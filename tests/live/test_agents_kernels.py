"""What a real Jupyter server says of its kernels is enough to bound those of agents, and to end the idle ones."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
import websockets
from fastmcp.exceptions import ToolError

from .conftest import MakeServer, Server
from .test_tools import call, fresh

WITHIN = 60.0  # seconds in which an idle kernel must be gone: the server looks every five


async def run_and_hear(client: Any, path: str, source: str) -> list[str]:
    """Run a cell; return the texts of the reply."""
    await call(client, "update_cell", path=path, index=0, source=source)
    result = await client.call_tool("execute_cell", {"path": path, "index": 0})
    return [block.text for block in result.content]


async def kernels(server: Server) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=server.url, headers=server.headers) as http:
        found: list[dict[str, Any]] = (await http.get("api/kernels")).raise_for_status().json()
        return found


async def none_is_left(server: Server) -> None:
    deadline = time.monotonic() + WITHIN
    while await kernels(server):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


@pytest.mark.slow
def test_an_agents_kernel_is_bounded_stays_while_a_page_is_open_and_then_ends(make_server: MakeServer) -> None:
    server = make_server(options=("--JupyterMCP.kernel_idle_timeout=1", "--JupyterMCP.max_kernels=1"))

    async def run() -> None:
        async with server.client() as client:
            first, second = fresh(), fresh()
            for path in (first, second):
                await call(client, "create_notebook", path=path)
            assert "New kernel" not in "".join(await run_and_hear(client, first, "mine = 1"))
            (kernel,) = await kernels(server)
            channels = f"{server.url.replace('http', 'ws')}api/kernels/{kernel['id']}/channels"
            async with websockets.connect(channels, additional_headers=server.headers):
                assert "New kernel" not in "".join(await run_and_hear(client, second, "other = 1"))
                await left_alone(server, kernel["id"])
            await none_is_left(server)
            texts = await run_and_hear(client, first, "print('mine' in dir())")
            assert "False" in texts[0]
            assert texts[-1].startswith("New kernel: earlier variables are gone")
            with pytest.raises(ToolError, match="max_kernels"):
                await run_and_hear(client, second, "pass")

    asyncio.run(run())


async def left_alone(server: Server, kernel_id: str) -> None:
    """Wait until only the kernel with a page is left."""
    deadline = time.monotonic() + WITHIN
    while [one["id"] for one in await kernels(server)] != [kernel_id]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
