"""A person in JupyterLab sees what an agent does, without a reload."""

from __future__ import annotations

import asyncio
import struct
import zlib
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from playwright.async_api import Page

from tests.support.needs import needs

from .browser import tab_on
from .conftest import Server
from .test_tools import call, fresh


def colours(picture: bytes) -> int:
    """Count the distinct bytes of a PNG's decoded rows: a blank page has a handful."""
    data, at = b"", 8
    while at < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, at)
        if kind == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += 12 + length
    return len(set(zlib.decompress(data)))


async def cell_count(page: Page) -> int:
    return await page.locator(".jp-Notebook .jp-Cell").count()


@needs("chromium")
def test_an_agents_edit_shows_on_the_screen(server: Server, tmp_path: Path) -> None:
    path = fresh()

    async def run() -> bytes:
        async with server.client() as client, AsyncExitStack() as stack:
            await call(client, "create_notebook", path=path)
            page = await stack.enter_async_context(tab_on(server, path))
            await page.evaluate("window.notReloaded = true")
            before = await cell_count(page)
            await call(client, "insert_cell", path=path, index=0, source="print('from the ' + 'agent')")
            await page.get_by_text("from the ").first.wait_for()
            assert await cell_count(page) == before + 1
            await call(client, "execute_cell", path=path, index=0)
            await page.get_by_text("from the agent").first.wait_for()
            async with httpx.AsyncClient(headers=server.headers) as http:
                sessions = (await http.get(f"{server.url}api/sessions")).json()
            # The agent ran on the kernel that JupyterLab had started.
            assert len([one for one in sessions if one["path"].endswith(path)]) == 1
            users = await call(client, "get_active_users")
            assert len(users) >= 2, users  # the person in the browser, and the agent
            said = await call(client, "close_notebook_session", path=path)
            assert said.endswith("(saved; still in use)")
            assert await page.evaluate("window.notReloaded") is True
            return await page.screenshot(path=tmp_path / "agent-edit.png")

    picture = asyncio.run(run())
    assert len(picture) > 10_000
    assert colours(picture) > 50
