"""A person's browser: Debian's Chromium, headless, with JupyterLab and a notebook open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

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
            await page.goto(f"{server.url}lab/tree/{path}?token={server.token}&reset")
            await page.wait_for_selector(".jp-Notebook .jp-Cell")
            yield page
        finally:
            await browser.close()
