"""The server is killed under an open browser: document, file and screen agree again, nothing lost, nothing twice.

JUPYTER_MCP_BROWSER_CRASH_ROUNDS sets the rounds, 2 by default; JUPYTER_MCP_BROWSER_CRASH_REPORT names a file that
gets a line for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.needs import needs

from .browser import tab_on
from .conftest import MakeServer, Server
from .test_crash import GONE, KINDS, Kept, edit, output_of
from .test_outside import eventually
from .test_tools import call, fresh

ROUNDS = int(os.environ.get("JUPYTER_MCP_BROWSER_CRASH_ROUNDS", "2"))
REPORT = os.environ.get("JUPYTER_MCP_BROWSER_CRASH_REPORT")
# Not what is rendered: JupyterLab leaves cells out that are not in view.
CELLS = "window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"

# jupyter-server-ydoc 3.0 lets a tab back that knows one of its last ten processes; then it has to be reloaded.
LIVES = 8

Shown = list[tuple[str, str, str]]


def shown(cells: list[dict[str, Any]]) -> Shown:
    """Return what a person sees of cells, whether they come from a document or a file: id, source, printed text."""
    plain = [
        {
            "outputs": [{**one, "text": "".join(one.get("text", ""))} for one in cell.get("outputs", [])],
            "id": cell["id"],
            "source": "".join(cell["source"]),
        }
        for cell in cells
    ]
    return [(cell["id"], cell["source"], output_of(cell)) for cell in plain]


async def dismiss(page: Page, dialogs: list[str]) -> None:
    """Do with a dialog what a person does who wants to go on: read it and accept."""
    dialog = page.locator(".jp-Dialog")
    if await dialog.count():
        dialogs.append(" ".join((await dialog.first.inner_text()).split()))
        with contextlib.suppress(Exception):
            await dialog.first.locator(".jp-mod-accept").click(timeout=2000)


def note(text: str) -> None:
    with Path(str(REPORT)).open("a") as report:
        report.write(text)


async def crash(server: Server, path: str, number: int, wait: float, kind: str, kept: Kept) -> None:
    async with server.client() as client:
        await edit(client, path, number, kind, kept)
        await asyncio.sleep(wait)
        server.kill()


async def agree(server: Server, path: str, page: Page, dialogs: list[str]) -> Shown:
    """Wait until the browser is back and agrees with the document and the saved file; give what they hold."""
    async with server.client() as client:
        await call(client, "open_notebook_session", path=path)
        wanted = shown((await call(client, "get_notebook", path=path))["cells"])

        async def in_browser() -> Shown:
            await dismiss(page, dialogs)
            return shown(await page.evaluate(CELLS))

        async def back() -> bool:
            await dismiss(page, dialogs)
            return (await call(client, "close_notebook_session", path=path)).endswith("(saved; still in use)")

        await eventually(back, wanted=True, seconds=90)  # until then the browser shows the copy it has
        await asyncio.sleep(0.5)
        await eventually(in_browser, wanted, seconds=90)
        # Whatever the browser brought when it reconnected is in the document now.
        assert shown((await call(client, "get_notebook", path=path))["cells"]) == wanted
        await call(client, "close_notebook_session", path=path)
        assert shown(json.loads((server.folder / path).read_text())["cells"]) == wanted
    return wanted


@pytest.mark.slow
@needs("chromium")
@pytest.mark.timeout(max(600, 120 * ROUNDS))
def test_a_browser_that_lives_through_kills_shows_what_was_acknowledged_once(make_server: MakeServer) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    server = make_server(options=("--LabApp.expose_app_in_browser=True",))
    path = fresh()
    kept = Kept()
    dialogs: list[str] = []

    async def rounds(page: Page) -> None:
        for number in range(ROUNDS):
            wait, kind = chance.uniform(0, 2), KINDS[number % len(KINDS)]
            with contextlib.suppress(*GONE):
                await crash(server, path, number, wait, kind, kept)
            assert kept.acknowledged == number, f"the {kind} was never acknowledged; {server.log}"
            await asyncio.to_thread(server.start)
            began = time.monotonic()
            cells = await agree(server, path, page, dialogs)
            said = f"round {number}, {kind}, killed after {wait:.2f} s, seed {seed}"
            if REPORT:
                line = f"{said}: {len(cells)} cells, agreed after {time.monotonic() - began:.1f} s\n"
                note(line + "".join(f"  dialog: {text}\n" for text in dialogs))
            assert not any("Conflict" in text for text in dialogs), said
            dialogs.clear()
            assert [source for _, source, _ in cells] == kept.sources, said
            assert len({cell_id for cell_id, _, _ in cells}) == len(cells), said
            printed = {source: text for _, source, text in cells}
            assert {source: printed[source] for source in kept.outputs} == kept.outputs, said
            assert await page.evaluate("window.notReloaded") is True, said
            if number % LIVES == LIVES - 1:
                await page.reload()
                await page.wait_for_selector(".jp-Notebook .jp-Cell")
                await page.evaluate("window.notReloaded = true")

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
        async with tab_on(server, path) as page:
            await page.evaluate("window.notReloaded = true")
            await rounds(page)

    asyncio.run(run())
