"""A person's page and agents work on one kernel, whoever comes first, also after a shut down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from .browser import CHROMIUM, tab_on
from .conftest import MakeServer, Server
from .test_execution import run_cell, text_of
from .test_tools import call, fresh

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

NO_KERNEL = "No Kernel"

WAIT = 90_000  # milliseconds: a page looks for sessions every ten seconds, and less often when that fails


# JupyterLab names the kernel before it is there; what is run meanwhile is dropped.
READY = "Python 3 (ipykernel) | Idle"


def kernel_name(page: Page) -> Any:
    return page.locator(".jp-NotebookPanel-toolbar .jp-KernelName")


async def person_runs(page: Page, index: int) -> None:
    """Click into a cell and press Shift+Enter."""
    await page.locator(".jp-Notebook .jp-Cell .cm-content").nth(index).click()
    await page.keyboard.press("Shift+Enter")


async def kernels(server: Server) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=server.url, headers=server.headers) as http:
        found: list[dict[str, Any]] = (await http.get("api/kernels")).raise_for_status().json()
        return found


@asynccontextmanager
async def notebook_in_a_page(server: Server) -> AsyncIterator[tuple[Any, str, Page]]:
    """Open a notebook of two cells, one to set a variable and one to show it, in a page with a kernel."""
    path = fresh()
    async with server.client() as client:
        await call(client, "create_notebook", path=path)
        await call(client, "update_cell", path=path, index=0, source="print(mine, 'is known')")
        await call(client, "insert_cell", path=path, index=0, source="import os; mine = os.getpid(); print('set')")
        async with tab_on(server, path) as page:
            await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
            yield client, path, page


async def shut_down(page: Page) -> None:
    """Choose Kernel > Shut Down Kernel."""
    await page.locator(".lm-MenuBar-item", has_text="Kernel").click()
    await page.get_by_text("Shut Down Kernel", exact=True).click()
    await expect(kernel_name(page)).to_contain_text(NO_KERNEL, timeout=WAIT)


async def the_person_joins_the_agents_kernel(
    client: Any, path: str, page: Page, server: Server, *, waits: bool
) -> None:
    """An agent starts the next kernel; the person, at once or when the page has joined it, has its variables."""
    assert text_of(await run_cell(client, path, 0)) == "set\n"
    if waits:
        await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
    await person_runs(page, 1)
    await expect(page.locator(".jp-OutputArea-output", has_text="is known")).to_be_visible(timeout=WAIT)
    await expect(kernel_name(page)).to_contain_text("Python 3", timeout=WAIT)
    assert len(await kernels(server)) == 1
    assert "is known" in text_of(await run_cell(client, path, 1))


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.slow
def test_after_shut_down_in_the_page_agent_and_person_share_the_next_kernel(
    make_server: MakeServer, waits: bool
) -> None:
    server = make_server()

    async def run() -> None:
        async with notebook_in_a_page(server) as (client, path, page):
            await shut_down(page)
            await the_person_joins_the_agents_kernel(client, path, page, server, waits=waits)

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("held", ["POST", "PATCH"])
def test_what_a_person_runs_while_the_page_joins_the_agents_kernel_runs_there(
    make_server: MakeServer, held: str
) -> None:
    server = make_server()

    async def run() -> None:
        async with notebook_in_a_page(server) as (client, path, page):
            await shut_down(page)
            joins, go = asyncio.Event(), asyncio.Event()

            async def slow(route: Route) -> None:
                """Hold the page's first request of that sort, as a slow network does."""
                if route.request.method == held and not joins.is_set():
                    joins.set()
                    await go.wait()
                await route.continue_()

            await page.route("**/api/sessions**", slow)
            assert text_of(await run_cell(client, path, 0)) == "set\n"
            await asyncio.wait_for(joins.wait(), WAIT / 1000)
            await person_runs(page, 1)
            await expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)  # it runs, and is the last one
            go.set()
            await expect(page.locator(".jp-OutputArea-output", has_text="is known")).to_be_visible(timeout=WAIT)
            await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
            assert len(await kernels(server)) == 1
            assert "is known" in text_of(await run_cell(client, path, 1))

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_after_a_restart_of_the_server_an_open_page_and_an_agent_share_the_next_kernel(
    make_server: MakeServer, end: str
) -> None:
    server = make_server()

    async def run() -> None:
        async with notebook_in_a_page(server) as (client, path, page):
            await person_runs(page, 0)
            await expect(page.locator(".jp-OutputArea-output", has_text="set")).to_be_visible(timeout=WAIT)
            gone = page.get_by_role("dialog", name="Server Connection Error")
            await page.add_locator_handler(gone, gone.get_by_role("button").last.click)
            getattr(server, end)()
            server.start()
            await the_person_joins_the_agents_kernel(client, path, page, server, waits=True)

    asyncio.run(run())


def test_a_page_opened_after_an_agents_run_shows_the_agents_kernel(make_server: MakeServer) -> None:
    server = make_server()
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="print('agent', 'here')")
            await run_cell(client, path, 0)
            async with tab_on(server, path) as page:
                await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
                await person_runs(page, 0)
                await expect(page.locator(".jp-InputPrompt", has_text="[2]")).to_be_visible(timeout=WAIT)
                assert len(await kernels(server)) == 1

    asyncio.run(run())


@pytest.mark.slow
def test_two_pages_without_a_kernel_that_run_get_one(make_server: MakeServer) -> None:
    server = make_server()

    async def run() -> None:
        async with notebook_in_a_page(server) as (client, path, page), tab_on(server, path) as other:
            await expect(other.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
            await shut_down(page)
            await expect(kernel_name(other)).to_contain_text(NO_KERNEL, timeout=WAIT)
            await asyncio.gather(person_runs(page, 0), person_runs(other, 0))
            await expect(page.locator(".jp-OutputArea-output", has_text="set")).to_be_visible(timeout=WAIT)
            await person_runs(other, 1)
            await expect(page.locator(".jp-OutputArea-output", has_text="is known")).to_be_visible(timeout=WAIT)
            assert "is known" in text_of(await run_cell(client, path, 1))
            assert len(await kernels(server)) == 1

    asyncio.run(run())
