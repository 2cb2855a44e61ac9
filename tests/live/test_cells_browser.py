"""At a cell: who runs it or waits to; a question about it to copy; it stays where it is; agents can be followed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .browser import CHROMIUM, shot, tab_on
from .conftest import MakeServer
from .test_execution import run_cell
from .test_labextension_browser import CLAUDE, WAIT
from .test_tools import call, fresh

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

LONG = 'print("\\n".join(["a line"] * 40))'


async def choose(page: Page, label: str) -> None:
    """Run a command of the menu View by keys."""
    await page.get_by_role("menuitem", name="View", exact=True).click()
    await page.get_by_role("menuitemcheckbox", name=label).or_(page.get_by_role("menuitem", name=label)).click()


async def top_of(page: Page, index: int) -> float:
    box = await page.locator(".jp-Notebook .jp-Cell").nth(index).bounding_box()
    assert box is not None
    return box["y"]


async def notebook_of(client: Any, *sources: str) -> str:
    path = fresh()
    await call(client, "create_notebook", path=path)
    await call(client, "update_cell", path=path, index=0, source=sources[0])
    for at, source in enumerate(sources[1:], 1):
        await call(client, "insert_cell", path=path, index=at, source=source)
    return path


@pytest.mark.slow
def test_a_cell_shows_who_runs_it_stays_still_and_is_asked_about(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path = await notebook_of(client, "import time; time.sleep(300)", "1", LONG, "mine = 1", *["x"] * 12, "last")
            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
                cells = page.locator(".jp-Notebook .jp-Cell")
                reply = await client.call_tool("run_cells", {"path": path, "start": 0, "stop": 2, "wait": 0})
                running = cells.nth(0).get_by_role("img", name="Claude Code has been running this cell for")
                await expect(running).to_be_visible(timeout=WAIT)
                status = page.locator(".jp-mcp-StatusItem")
                await expect(status).to_have_text("Claude Code is running cell 1", timeout=WAIT)
                waiting = cells.nth(1).get_by_role("img", name="Claude Code waits to run this cell: 1 cell is before")
                await expect(waiting).to_have_text("#2", timeout=WAIT)
                await shot(page, "badges")
                await client.call_tool("stop_run", {"run_id": reply.structured_content["run"]})
                await expect(running).to_have_count(0, timeout=WAIT)
                await expect(waiting).to_have_count(0, timeout=WAIT)
                await expect(status).to_have_text("Claude Code", timeout=WAIT)

                await cells.nth(3).locator(".cm-content").click()
                await page.get_by_role("button", name="Ask the agent about this cell").click()
                cell_id = (await call(client, "get_cell", path=path, index=3))["id"]
                asked = await page.evaluate("navigator.clipboard.readText()")
                assert path in asked
                assert cell_id in asked
                assert "mine = 1" not in asked

                await choose(page, "Keep My Cell Still")
                before = await top_of(page, 3)
                await run_cell(client, path, 2)
                await expect(cells.nth(2).locator(".jp-OutputArea-output")).to_be_attached(timeout=WAIT)
                await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                assert abs(await top_of(page, 3) - before) < 3
                await shot(page, "still")

                await choose(page, "Follow the Agents")
                await call(client, "update_cell", path=path, index=16, source="followed")
                await expect(cells.nth(16)).to_be_in_viewport(timeout=WAIT)
                await shot(page, "followed")
                assert errors == []

    asyncio.run(run())
