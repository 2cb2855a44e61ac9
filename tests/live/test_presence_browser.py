"""A person sees the agent among the collaborators, and its cursor in the cell that it works in."""

from __future__ import annotations

import asyncio
import os

import pytest
from mcp.types import Implementation
from playwright.async_api import expect

from .browser import CHROMIUM, tab_on
from .conftest import MakeServer
from .test_people_typing import caret_behind, three_cells
from .test_tools import call

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

WAIT = 60_000  # milliseconds
CLAUDE = Implementation(name="Claude Code", version="1")


@pytest.mark.slow
def test_a_persons_page_shows_the_agent_its_cursor_and_no_other_person(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (above, _, _) = await three_cells(client)
            async with tab_on(server, path) as page:
                await page.get_by_role("tab", name="Collaboration").click()
                collaborators = page.locator(".jp-CollaboratorsList")
                await expect(collaborators).to_contain_text("Claude Code", timeout=WAIT)
                await caret_behind(page, "mine = 1")
                await call(client, "update_cell", path=path, cell_id=above, source="print('by the agent')")
                cursor = page.locator(".jp-Notebook .jp-Cell").nth(0).locator(".jp-remote-cursor")
                await expect(cursor).to_be_attached(timeout=WAIT)
                await expect(collaborators).to_contain_text(path.partition(".")[0][:8], timeout=WAIT)
                await cursor.hover(force=True)
                if shot := os.environ.get("PRESENCE_SCREENSHOT"):
                    await page.screenshot(path=shot)
                users = await call(client, "get_active_users")
                assert len([user for user in users if user["name"].startswith("Claude Code")]) == 1
                await page.keyboard.type("0")
                with pytest.raises(Exception, match="is typing in this cell"):
                    await call(client, "delete_cell", path=path, index=1)

    asyncio.run(run())
