"""People in a soak: pages of JupyterLab in Chromium, in which cells are made, run and deleted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Error, Page, async_playwright

from tests.live.browser import CHROMIUM, FLAGS
from tests.live.conftest import Server

from .ledger import Ledger

_MODEL = "jupyterapp.shell.currentWidget.content.model.sharedModel"
_INSERT = f"source => {_MODEL}.insertCell({_MODEL}.cells.length, {{cell_type: 'code', source}})"
_DELETE = f"""mark => {{
  const at = {_MODEL}.cells.findIndex(cell => cell.source.includes(mark));
  if (at >= 0) {_MODEL}.deleteCell(at);
}}"""
_READY = f"() => {_MODEL}.cells.length > 0"
_KEPT = 6  # cells of a person
_WITHIN = 60_000  # milliseconds in which a page must show the notebook


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Yield one browser for all people."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            with suppress(Error):
                await browser.close()


class Person:
    """One person, who has a notebook open."""

    def __init__(self, number: int, server: Server, ledger: Ledger, chance: random.Random) -> None:
        self.number, self.edits, self.reloads = number, 0, 0
        self._server, self._ledger, self._chance = server, ledger, chance
        self._own: list[str] = []

    async def work(self, browser: Any) -> None:
        """Make edits until cancelled; a page that shows no notebook is loaded anew."""
        page = await (await browser.new_context(viewport={"width": 1000, "height": 700})).new_page()
        page.set_default_timeout(_WITHIN)
        shown = False
        while True:
            try:
                if not shown:
                    await self._open(page)
                    shown = True
                await self._act(page)
            except Error:  # the server is gone, or the page is not there yet
                shown = False
                self.reloads += 1
            await asyncio.sleep(self._chance.uniform(1, 5))

    async def _open(self, page: Page) -> None:
        await page.goto(f"{self._server.url}lab/tree/{self._ledger.path}?token={self._server.token}&reset")
        await page.wait_for_selector(".jp-Notebook .jp-Cell")
        await page.wait_for_function(_READY)

    async def _act(self, page: Page) -> None:
        if len(self._own) > _KEPT:
            mark = self._own.pop(0)
            self._ledger.fades(mark)
            await page.evaluate(_DELETE, mark)
        else:
            self.edits += 1
            mark = f"mark-p{self.number}-{self.edits}"
            self._ledger.begins(mark)
            self._own.append(mark)
            await page.evaluate(_INSERT, f"'{mark}'")
