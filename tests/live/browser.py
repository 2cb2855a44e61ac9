"""A person's browser: Debian's Chromium, headless, with JupyterLab and a notebook open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import ConsoleMessage, Page, async_playwright

from tests.support.needs import find

from .conftest import Server

CHROMIUM = find("chromium")
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


@asynccontextmanager
async def tab_on(server: Server, path: str) -> AsyncIterator[Page]:
    """Yield a page of JupyterLab that shows the notebook."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = await browser.new_page(viewport={"width": 1200, "height": 800})
            page.set_default_timeout(120_000)
            url = f"{server.url}lab/tree/{path}?token={server.token}&reset"
            await asyncio.gather(shown(page), page.goto(url))
            yield page
        finally:
            await browser.close()


async def shown(page: Page) -> None:
    """Wait until the notebook is there. Raises AssertionError if this project's extension of JupyterLab can't start."""
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def listen(message: ConsoleMessage) -> None:
        # JupyterLab also tells there how long a slow start took.
        if "'jupyter-mcp-rooms:plugin' failed to activate" in message.text and not failed.done():
            failed.set_result(message.text)

    page.on("console", listen)
    there = asyncio.ensure_future(page.wait_for_selector(".jp-Notebook .jp-Cell"))
    await asyncio.wait((there, failed), return_when=asyncio.FIRST_COMPLETED)
    page.remove_listener("console", listen)
    if failed.done():
        there.cancel()
        raise AssertionError(f"the extension did not start: {failed.result()}")
    await there


async def shot(page: Page, name: str) -> None:
    """Take a picture for people to look at, if AGENTS_SCREENSHOTS names a folder."""
    if folder := os.environ.get("AGENTS_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/{name}.png")
