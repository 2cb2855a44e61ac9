"""A person sees in JupyterLab what agents do, holds them back and lets them go, by mouse and by keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from mcp.types import Implementation
from playwright.async_api import Page, expect

from .browser import CHROMIUM, shot, tab_on
from .conftest import MakeServer
from .test_people_typing import three_cells
from .test_tools import call

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

WAIT = 60_000  # milliseconds
CLAUDE = Implementation(name="Claude Code", version="1")


def test_a_person_sees_what_an_agent_does_and_holds_it_back(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (above, _, below) = await three_cells(client)
            await call(client, "update_cell", path=path, cell_id=above, source="import time; time.sleep(300)")
            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                status = page.locator(".jp-mcp-StatusItem")
                await expect(status).to_have_text("Claude Code", timeout=WAIT)
                running = asyncio.create_task(call(client, "execute_cell", path=path, cell_id=above))
                await expect(status).to_have_text("Claude Code is running cell 1", timeout=WAIT)
                mark = page.locator(".jp-Notebook .jp-Cell").nth(2).get_by_role("note")
                assert "Claude Code changed this cell at" in (await mark.get_attribute("title") or "")

                await status.focus()
                await page.keyboard.press("Enter")
                panel = page.get_by_role("region", name="Agents")
                await expect(panel).to_be_visible(timeout=WAIT)
                await expect(panel.get_by_role("status")).to_have_text("Claude Code is running cell 1")
                await shot(page, "running")
                await hold_back(page, client, path)
                await panel.get_by_role("button", name="Stop: All agents").click()
                with pytest.raises(ToolError, match="stopped this call and paused the agent"):
                    await running
                await expect(status).to_have_text("Agents paused", timeout=WAIT)
                await expect(panel).to_contain_text("execute cell (stopped)", timeout=WAIT)
                await shot(page, "stopped")

                await panel.get_by_role("button", name="Pause: All agents").click()
                await expect(status).to_have_text("Claude Code", timeout=WAIT)
                await call(client, "update_cell", path=path, cell_id=below, source="print('again')")
                await panel.get_by_role("button", name="cell 3").first.click()
                await expect(page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text("again", timeout=WAIT)
                await connect(page, server.token)
                assert errors == []

    asyncio.run(run())


async def hold_back(page: Page, client: Any, path: str) -> None:
    """Set the agent to read-only by keys, and let it go."""
    read_only = page.get_by_role("button", name="Read only: Claude Code")
    await read_only.focus()
    await page.keyboard.press("Enter")
    await expect(read_only).to_have_attribute("aria-pressed", "true", timeout=WAIT)
    await expect(read_only).to_be_focused()
    await call(client, "get_notebook", path=path)
    with pytest.raises(ToolError, match="has set to read-only agents called 'Claude Code'"):
        await call(client, "insert_cell", path=path, index=0, source="x")
    await page.keyboard.press("Enter")
    await expect(read_only).to_have_attribute("aria-pressed", "false", timeout=WAIT)


async def connect(page: Page, token: str) -> None:
    """Look how an agent is connected; the token is there when it is asked for."""
    await page.get_by_role("button", name="Connect an agent").click()
    body = page.locator(".jp-mcp-Connect")
    await expect(body).to_contain_text("claude mcp add --transport http")
    await expect(body).not_to_contain_text(token)
    await body.get_by_label("Client").select_option("Codex: .codex/config.toml")
    await expect(body).to_contain_text("[mcp_servers.jupyter]")
    await expect(body).not_to_contain_text(token)
    await shot(page, "connect")
    await body.get_by_role("button", name="Show the token").click()
    await expect(body).to_contain_text(token, timeout=WAIT)
    await page.get_by_role("button", name="Close", exact=True).click()
