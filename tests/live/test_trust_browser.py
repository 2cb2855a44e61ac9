"""What an agent ran is trusted as what a person ran: its HTML's scripts run, and those of strangers' outputs don't."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.async_api import Page, expect

from .browser import CHROMIUM, tab_on
from .conftest import MakeServer
from .test_execution import run_cell
from .test_people_kernel import READY, WAIT, person_runs

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


def html(name: str) -> str:
    """Return HTML that shows its name, and whose script notes it in the page."""
    return f"<b>shown by {name}</b><script>(window.ran ??= []).push('{name}')</script>"


def code(name: str) -> str:
    return f"from IPython.display import HTML, display\ndisplay(HTML({html(name)!r}))"


def strangers_notebook(file: Path) -> None:
    """Write a notebook of somebody else's: an output is in it that nobody here has run."""
    output = nbformat.v4.new_output("display_data", {"text/html": html("a stranger"), "text/plain": "x"})
    cells = [nbformat.v4.new_code_cell(code(name)) for name in ("a stranger", "an agent", "a person")]
    cells[0].outputs, cells[0].execution_count = [output], 1
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    file.write_text(json.dumps(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})))


async def ran(page: Page, *names: str) -> list[str]:
    """Return whose scripts ran in the page, once these names are shown."""
    for name in names:
        await expect(page.locator(".jp-OutputArea-output", has_text=f"shown by {name}")).to_be_visible(timeout=WAIT)
    found: list[str] = await page.evaluate("window.ran ?? []")
    return sorted(set(found))


@pytest.mark.slow
def test_html_of_an_agents_run_is_trusted_as_a_persons_and_a_strangers_is_not(make_server: MakeServer) -> None:
    server = make_server()
    strangers_notebook(server.folder / "n.ipynb")

    async def run() -> Any:
        async with server.client() as client:
            async with tab_on(server, "n.ipynb") as page:
                await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
                assert await ran(page, "a stranger") == []
                await run_cell(client, "n.ipynb", 1)
                by_agent = await ran(page, "a stranger", "an agent")
                await person_runs(page, 2)
                by_person = await ran(page, "a stranger", "an agent", "a person")
            async with tab_on(server, "n.ipynb") as page:
                later = await ran(page, "a stranger", "an agent", "a person")
        return by_agent, by_person, later

    by_agent, by_person, later = asyncio.run(run())
    assert by_agent == ["an agent"]
    assert by_person == ["a person", "an agent"]
    assert later == by_person
