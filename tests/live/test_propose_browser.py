"""An agent proposes changes: a person sees them in the notebook at their place, and accepts, runs or rejects them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from mcp.types import Implementation
from playwright.async_api import Page, expect

from .browser import CHROMIUM, shot, tab_on
from .conftest import MakeServer, Server
from .test_people_typing import caret_behind, three_cells, until
from .test_tools import call
from .test_undo_browser import darken

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.slow,
]

WAIT = 60_000  # milliseconds
CLAUDE = Implementation(name="Claude Code", version="1")
CELLS = ".jp-Notebook .jp-Cell"
PLACE = "node => Math.round(node.getBoundingClientRect().top)"


def test_a_person_accepts_has_run_and_rejects_what_an_agent_proposes(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with server.client(client_info=CLAUDE) as client:
            path, (above, mine, below) = await three_cells(client)
            tall = "\n".join(f"line = {number}" for number in range(60))
            await call(client, "update_cell", path=path, cell_id=above, source=tall)

            def proposes(tool: str, **arguments: Any) -> asyncio.Task[Any]:
                return asyncio.create_task(client.call_tool(tool, {"path": path, **arguments}))

            async with tab_on(server, path) as page:
                errors: list[str] = []
                page.on("pageerror", lambda error: errors.append(str(error)))
                await page.locator(".jp-mcp-StatusItem").click()
                panel = page.get_by_role("region", name="Agents")
                propose = panel.get_by_role("button", name="Propose: All agents")
                await propose.focus()
                await page.keyboard.press("Enter")
                await expect(propose).to_have_attribute("aria-pressed", "true", timeout=WAIT)
                cells = page.locator(CELLS)

                await rejects(page, client, path, mine, proposes)

                replacing = proposes("update_cell", cell_id=below, source="print('below')\nprint(6 * 7)")
                block = cells.nth(2).locator(".jp-mcp-Ghost")
                await expect(block.locator(".jp-mod-added")).to_have_text("+print(6 * 7)\n", timeout=WAIT)
                await expect(block.locator(".jp-mod-same")).to_have_text(" print('below')\n")
                await expect(cells.nth(2).locator(".cm-content")).not_to_contain_text("6 * 7")
                await expect(panel.get_by_role("group", name="proposes to change a cell")).to_contain_text(
                    "Change cell 3"
                )
                await shot(page, "propose-light")
                run_it = block.get_by_role("button", name="Accept and run")
                await run_it.focus()
                await page.keyboard.press("Enter")
                reply = (await replacing).structured_content
                assert "42" in str(reply["run"]["cells"])
                await expect(cells.nth(2).locator(".jp-OutputArea")).to_contain_text("42", timeout=WAIT)
                await expect(page.locator(".jp-mcp-Ghost")).to_have_count(0, timeout=WAIT)

                await in_the_dark(page, server, mine, below, proposes)
                assert errors == []

    asyncio.run(run())


async def rejects(page: Page, client: Any, path: str, mine: str, proposes: Any) -> None:
    """Type in a cell while something is proposed above it; nothing moves, and a no carries its reason."""
    cells = page.locator(CELLS)
    await caret_behind(page, "mine")
    await page.keyboard.type("0")
    await until(client, path, mine, "mine = 10")
    editor = cells.nth(1).locator(".cm-content")
    was = await editor.evaluate(PLACE)
    inserting = proposes("insert_cell", index=0, source="import os\nprint(os.sep)")
    block = page.locator(".jp-mcp-Ghost.jp-mod-above")
    await expect(block.locator(".jp-mod-added")).to_have_text(["+import os\n", "+print(os.sep)\n"], timeout=WAIT)
    assert await editor.evaluate(PLACE) == was
    await expect(editor).to_be_focused()
    await page.keyboard.type("0")
    await until(client, path, mine, "mine = 100")
    await expect(cells).to_have_count(3)
    reason = block.get_by_label("Why not")
    await reason.click()
    await page.keyboard.type("ddx: no shell, please")  # two of the notebook's keys would delete a cell
    await expect(reason).to_have_value("ddx: no shell, please")
    await editor.click()
    await page.keyboard.press("Control+End")
    was = await editor.evaluate(PLACE)
    await (
        page.locator(".Toastify__toast", has_text="proposes to insert a cell")
        .get_by_role("button", name="Reject")
        .click()
    )
    with pytest.raises(ToolError, match=r"said no: 'ddx: no shell, please'\. The agent may not insert a cell now"):
        await inserting
    await expect(block).to_have_count(0, timeout=WAIT)
    assert await editor.evaluate(PLACE) == was
    await expect(cells).to_have_count(3)


async def in_the_dark(page: Page, server: Server, mine: str, below: str, proposes: Any) -> None:
    """Accept a deletion and an insertion, in the dark theme."""
    cells = page.locator(CELLS)
    panel = page.get_by_role("region", name="Agents")
    await darken(page, server)
    await expect(cells).to_have_count(3, timeout=WAIT)
    edits = [
        {"op": "delete", "cell_id": mine},
        {"op": "insert", "after": below, "source": "# last", "cell_type": "markdown"},
    ]
    editing = proposes("edit_notebook", edits=edits, over_person=True)
    await expect(cells.nth(1).locator(".jp-mcp-Ghost.jp-mod-delete")).to_be_visible(timeout=WAIT)
    await expect(cells.nth(2).locator(".jp-mcp-Ghost.jp-mod-insert")).to_contain_text("+# last")
    await panel.get_by_role("button", name="Show it in the notebook").click()
    await expect(cells.nth(2).locator(".jp-mcp-Ghost")).to_be_in_viewport(ratio=1, timeout=WAIT)
    toast = page.locator(".Toastify__toast", has_text="proposes to")
    await expect(toast).to_be_in_viewport(ratio=0.95, timeout=WAIT)
    await shot(page, "propose-dark")
    await expect(cells).to_have_count(3)
    await cells.nth(1).get_by_role("button", name="Accept all, question").click()
    await editing
    await expect(cells.nth(1)).to_contain_text("below", timeout=WAIT)
    await expect(cells.nth(2)).to_contain_text("last", timeout=WAIT)
    await expect(page.locator(".jp-mcp-Ghost")).to_have_count(0, timeout=WAIT)
