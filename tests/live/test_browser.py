"""A person in JupyterLab sees what an agent does, without a reload."""

from __future__ import annotations

import asyncio
import shutil
import struct
import zlib
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, async_playwright

from .conftest import Server
from .test_tools import call, fresh

CHROMIUM = shutil.which("chromium")
# As root there is no sandbox; the rest keeps Chromium from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt-get install chromium")
def test_an_agents_edit_shows_on_the_screen(server: Server, tmp_path: Path) -> None:
    path = fresh()

    async def run() -> bytes:
        async with async_playwright() as playwright, server.client() as client:
            await call(client, "create_notebook", path=path)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 1200, "height": 800})
            page.set_default_timeout(120_000)
            await page.goto(f"{server.url}lab/tree/{path}?token={server.token}&reset")
            await page.wait_for_selector(".jp-Notebook .jp-Cell")
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
            picture = await page.screenshot(path=tmp_path / "agent-edit.png")
            await browser.close()
            return picture

    picture = asyncio.run(run())
    assert len(picture) > 10_000
    assert colours(picture) > 50
