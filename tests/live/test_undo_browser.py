"""A person looks at what an agent changed, takes it back, restores a cell, and is told when it changed theirs."""

from __future__ import annotations

import asyncio
import re

import pytest
from fastmcp.exceptions import ToolError
from mcp.types import Implementation
from playwright.async_api import Page, expect

from .browser import CHROMIUM, shot, tab_on
from .conftest import MakeServer, Server
from .test_people_typing import caret_behind, three_cells, until
from .test_tools import call

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

WAIT = 60_000  # milliseconds
CLAUDE = Implementation(name="Claude Code", version="1")
CELLS = ".jp-Notebook .jp-Cell"


@pytest.mark.slow
def test_a_person_takes_back_what_an_agent_did_and_restores_a_cell(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (above, middle, below) = await three_cells(client)
            await call(client, "update_cell", path=path, cell_id=below, source="first\nsecond")
            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true", timeout=WAIT)
                cells = page.locator(CELLS)
                await call(client, "update_cell", path=path, cell_id=below, source="first\n2nd\nthird")
                await call(client, "delete_cell", path=path, cell_id=middle)
                await expect(cells).to_have_count(2, timeout=WAIT)
                await page.locator(".jp-mcp-StatusItem").click()
                panel = page.get_by_role("region", name="Agents")

                await panel.get_by_role("button", name="Restore cell").click()
                await expect(cells).to_have_count(3, timeout=WAIT)
                await expect(panel.get_by_role("button", name="Restore cell")).to_have_count(0, timeout=WAIT)

                show = panel.get_by_role("button", name="Before and after").nth(1)
                await show.focus()
                await page.keyboard.press("Enter")
                await expect(panel.locator(".jp-mod-removed")).to_have_text("-second\n", timeout=WAIT)
                await expect(panel.locator(".jp-mod-added")).to_have_text(["+2nd\n", "+third\n"])
                await expect(show).to_have_attribute("aria-expanded", "true")
                await shot(page, "undo-light")
                await panel.get_by_role("button", name="Undo this change").nth(0).click()
                await expect(cells.nth(2)).to_contain_text("second", timeout=WAIT)
                await expect(panel).to_contain_text("taken back by", timeout=WAIT)

                await caret_behind(page, "above")
                await page.keyboard.type("  # mine")
                await until(client, path, above, "print('above')  # mine")
                await call(client, "update_cell", path=path, cell_id=above, source="# the agent's", over_person=True)
                toast = page.locator(".Toastify__toast", has_text="was typing")
                await expect(toast).to_contain_text("Claude Code changed a cell", timeout=WAIT)
                await toast.get_by_role("button", name="Undo").click()
                await until(client, path, above, "print('above')  # mine")
                await in_the_dark(page, server)
                assert errors == []

    asyncio.run(run())


@pytest.mark.slow
def test_what_an_agent_did_to_the_cell_one_types_in_is_taken_back_with_one_click(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (_, middle, below) = await three_cells(client)
            edits = [{"op": "set_type", "cell_id": below, "cell_type": "markdown"}, {"op": "move", "cell_id": below}]
            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                cells = page.locator(CELLS)
                toast = page.locator(".Toastify__toast", has_text="was typing")

                await caret_behind(page, "mine")
                await page.keyboard.type("0  # typed")
                await until(client, path, middle, "mine = 10  # typed")
                await call(client, "delete_cell", path=path, cell_id=middle, over_person=True)
                await expect(cells).to_have_count(2, timeout=WAIT)
                await toast.get_by_role("button", name="Undo").click()
                await expect(cells.nth(1)).to_contain_text("mine = 10  # typed", timeout=WAIT)
                await expect(toast).to_have_count(0, timeout=WAIT)

                await caret_behind(page, "below")
                await page.keyboard.type("  # typed")
                await until(client, path, below, "print('below')  # typed")
                edits[1]["before"] = middle
                await call(client, "edit_notebook", path=path, edits=edits, over_person=True)
                await expect(cells.nth(1)).to_contain_text("below", timeout=WAIT)
                await toast.get_by_role("button", name="Undo").click()
                await expect(cells.nth(2)).to_contain_text("print('below')  # typed", timeout=WAIT)
                await expect(cells.nth(2)).to_have_class(re.compile("jp-CodeCell"))
                assert errors == []

    asyncio.run(run())


async def in_the_dark(page: Page, server: Server) -> None:
    """Look at the panel in the dark theme."""
    await darken(page, server)
    panel = page.get_by_role("region", name="Agents")
    await panel.get_by_role("button", name="Before and after").nth(1).click()
    await expect(panel.locator(".jp-mod-removed")).to_have_count(1, timeout=WAIT)
    await shot(page, "undo-dark")


async def darken(page: Page, server: Server) -> None:
    """Choose the dark theme, and open the panel."""
    settings = f"{server.url}lab/api/settings/@jupyterlab/apputils-extension:themes"
    raw = {"raw": '{"theme": "JupyterLab Dark"}'}
    reply = await page.request.put(settings, data=raw, headers=server.headers)
    assert reply.ok
    # Written for this server only: a person's own JupyterLab on this machine keeps its theme.
    assert list((server.home / "settings").rglob("themes.jupyterlab-settings"))
    await page.reload()
    await page.locator(".jp-mcp-StatusItem").click()
    await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false", timeout=WAIT)


@pytest.mark.slow
def test_an_agent_that_has_to_ask_runs_after_a_yes_and_not_after_a_no(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (above, _, below) = await three_cells(client)
            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                await page.locator(".jp-mcp-StatusItem").click()
                panel = page.get_by_role("region", name="Agents")
                ask = panel.get_by_role("button", name="Ask first: All agents")
                await ask.click()
                await expect(ask).to_have_attribute("aria-pressed", "true", timeout=WAIT)

                deleting = asyncio.create_task(call(client, "delete_cell", path=path, cell_id=below))
                toast = page.locator(".Toastify__toast", has_text="asks to delete a cell")
                await expect(toast).to_be_visible(timeout=WAIT)
                await toast.get_by_role("button", name="Refuse").click()
                with pytest.raises(ToolError, match="said no"):
                    await deleting
                await expect(page.locator(CELLS)).to_have_count(3)

                running = asyncio.create_task(call(client, "run_code", path=path, code="print(6 * 7)"))
                await expect(panel.get_by_role("group", name="asks to run code")).to_contain_text("print(6 * 7)")
                await expect(page.locator(".jp-mcp-StatusItem")).to_contain_text("asks to run code", timeout=WAIT)
                toast = page.locator(".Toastify__toast", has_text="asks to run code")
                await expect(toast).to_be_in_viewport(ratio=0.95, timeout=WAIT)
                await shot(page, "ask-light")
                await panel.get_by_role("button", name="Allow, question").click()
                assert "42" in str(await running)
                await expect(panel.get_by_role("button", name="Allow, question")).to_have_count(0, timeout=WAIT)
                await call(client, "update_cell", path=path, cell_id=above, source="# not asked")

                await darken(page, server)
                running = asyncio.create_task(call(client, "execute_cell", path=path, cell_id=above))
                toast = page.locator(".Toastify__toast", has_text="asks to run a cell")
                await expect(toast).to_be_in_viewport(ratio=0.95, timeout=WAIT)
                await shot(page, "ask-dark")
                await toast.get_by_role("button", name="Allow").click()
                await running
                assert errors == []

    asyncio.run(run())
