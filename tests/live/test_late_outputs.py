"""What a cell's threads print after it has ended goes on into the cell, as in JupyterLab."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Array

from tests.support.needs import needs

from .browser import tab_on
from .conftest import MakeServer, Server
from .person import in_room
from .test_execution import notebook, outputs_in_document, run_cell, text_of
from .test_outside import eventually
from .test_tools import call

# With the context of the cell that starts it; ipykernel 7 takes what other threads print for the latest cell's.
THREAD = """\
import contextvars, threading, time

def work(name, count, every):
    for number in range(count):
        time.sleep(every)
        print(name, number, flush=True)

def start(*what):
    global latest
    latest = threading.Thread(target=contextvars.copy_context().run, args=what)
    latest.start()
"""
ENDED = "latest.join()"
FIVE = [f"a {number}" for number in range(5)]


async def lines(client: Any, path: str, index: int) -> list[str]:
    outputs = await outputs_in_document(client, path, index)
    return "".join(output.get("text", "") for output in outputs).splitlines()


async def begun(client: Any, path: str) -> bool:
    return "a 0" in await lines(client, path, 1)


def test_a_thread_prints_on_into_the_cell_that_started_it(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, THREAD, "print('begun'); start(work, 'a', 5, .3)", "print('other')") as (
            client,
            path,
        ):
            await run_cell(client, path, 0)
            assert text_of(await run_cell(client, path, 1)) == "begun\n"
            assert text_of(await run_cell(client, path, 2)) == "other\n"
            await eventually(lambda: lines(client, path, 1), ["begun", *FIVE])
            assert await lines(client, path, 2) == ["other"]
            outputs = await outputs_in_document(client, path, 1)
            assert [output["output_type"] for output in outputs] == ["stream"]

    asyncio.run(run())


def test_a_thread_without_a_context_prints_where_its_kernel_says(server: Server) -> None:
    source = "threading.Thread(target=work, args=('a', 5, .3)).start()"

    async def run() -> None:
        async with notebook(server, THREAD, source, "print('latest')") as (client, path):
            for index in range(3):
                await run_cell(client, path, index)
            await eventually(lambda: lines(client, path, 2), ["latest", *FIVE])
            assert await lines(client, path, 1) == []

    asyncio.run(run())


def test_what_comes_late_reaches_people_and_the_file(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, THREAD, "start(work, 'a', 5, .3)") as (client, path):
            tab = YNotebook()
            async with in_room(server, path, tab):
                await run_cell(client, path, 0)
                await run_cell(client, path, 1)

                async def seen() -> list[str]:
                    return "".join(str(one["text"]) for one in tab.ycells[1]["outputs"]).splitlines()

                await eventually(seen, FIVE)
            await call(client, "close_notebook_session", path=path)
            assert await lines(client, path, 1) == FIVE

    asyncio.run(run())


def test_a_thread_shows_displays_and_clears_its_cell(server: Server) -> None:
    source = (
        "from IPython.display import display, clear_output\n"
        "def late():\n"
        "    time.sleep(.5); print('gone')\n"
        "    clear_output(); print('kept')\n"
        "    handle = display({'text/plain': 'old'}, raw=True, display_id=True)\n"
        "    handle.update({'text/plain': 'new'}, raw=True)\n"
        "    print('\\r 1%', end=''); time.sleep(.2); print('\\r99%', end='')\n"
        "print('before'); start(late)"
    )

    async def run() -> None:
        async with notebook(server, THREAD, source) as (client, path):
            await run_cell(client, path, 0)
            await run_cell(client, path, 1)

            async def shown() -> list[Any]:
                return [output.get("text", output.get("data")) for output in await outputs_in_document(client, path, 1)]

            await eventually(shown, ["kept\n", {"text/plain": "new"}, "99%"])

    asyncio.run(run())


@pytest.mark.slow
def test_a_cell_that_a_person_cleared_stays_clear_of_what_it_had(server: Server) -> None:
    source = (
        "from IPython.display import display\nprint('begun')\n"
        "handle = display({'text/plain': 'old'}, raw=True, display_id='cleared')\nstart(work, 'a', 4, 1)"
    )

    async def run() -> None:
        async with notebook(server, THREAD, source, "handle.update({'text/plain': 'new'}, raw=True)") as (client, path):
            tab = YNotebook()
            async with in_room(server, path, tab):
                await run_cell(client, path, 0)
                await run_cell(client, path, 1)
                await eventually(lambda: lines(client, path, 1), ["begun", "a 0"])
                with tab.ydoc.transaction():
                    tab.ycells[1]["outputs"].clear()
                    tab.ycells[1]["execution_count"] = None
                await run_cell(client, path, 2)
                await eventually(lambda: lines(client, path, 1), ["a 1", "a 2", "a 3"])
                outputs = await outputs_in_document(client, path, 1)
                assert [output["output_type"] for output in outputs] == ["stream"]

    asyncio.run(run())


def test_a_cell_that_a_person_runs_again_gets_nothing_of_the_earlier_run(server: Server) -> None:
    """The person's browser writes that run's outputs itself."""

    async def run() -> None:
        async with notebook(server, THREAD, "start(work, 'a', 8, .3)", ENDED) as (client, path):
            tab = YNotebook()
            async with in_room(server, path, tab):
                await run_cell(client, path, 0)
                await run_cell(client, path, 1)
                await eventually(lambda: begun(client, path), wanted=True)
                cell = tab.ycells[1]
                with tab.ydoc.transaction():
                    cell["outputs"] = Array()
                    cell["execution_state"] = "running"
                await asyncio.sleep(0.7)
                with tab.ydoc.transaction():
                    cell["execution_state"] = "idle"
                    cell["execution_count"] = 7.0
                await run_cell(client, path, 2)
                assert await lines(client, path, 1) == []

    asyncio.run(run())


def test_a_cell_that_an_agent_runs_again_gets_only_the_new_runs_output(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, THREAD, "start(work, 'a', 6, .3)") as (client, path):
            await run_cell(client, path, 0)
            await run_cell(client, path, 1)
            await eventually(lambda: begun(client, path), wanted=True)
            await call(client, "update_cell", path=path, index=1, source="start(work, 'b', 6, .2)")
            await run_cell(client, path, 1)
            await eventually(lambda: lines(client, path, 1), [f"b {number}" for number in range(6)])

    asyncio.run(run())


def test_what_comes_late_for_a_cell_that_is_gone_lands_nowhere(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, THREAD, "start(work, 'a', 5, .3)", "print('stays')", ENDED) as (client, path):
            for index in range(3):
                await run_cell(client, path, index)
            await call(client, "delete_cell", path=path, index=1)
            await run_cell(client, path, 2)
            assert await lines(client, path, 1) == ["stays"]
            assert len((await call(client, "get_notebook", path=path))["cells"]) == 4
            await call(client, "close_notebook_session", path=path)
            assert await lines(client, path, 1) == ["stays"]

    asyncio.run(run())


@pytest.mark.slow
def test_the_limit_of_a_run_holds_for_its_threads_too(make_server: MakeServer) -> None:
    server = make_server(options=("--JupyterMCP.max_output_messages=20",))

    async def run() -> None:
        flood = "print('begun'); start(work, 'a', 300, .003)"
        async with notebook(server, THREAD, flood, "print('other')", ENDED) as (client, path):
            await run_cell(client, path, 0)
            await run_cell(client, path, 1)
            # The other cell's own output is not taken for the flood's.
            assert text_of(await run_cell(client, path, 2)) == "other\n"

            async def cut_off() -> bool:
                return any("cut off" in line for line in await lines(client, path, 1))

            await eventually(cut_off, wanted=True)
            await run_cell(client, path, 3)
            shown = await lines(client, path, 1)
            assert shown[0] == "begun"
            assert shown[1] == "a 0"
            assert len([line for line in shown if line.startswith("a ")]) <= 20
            assert len([line for line in shown if "cut off" in line]) == 1

    asyncio.run(run())


@needs("chromium")
@pytest.mark.slow
def test_a_browser_that_runs_the_cell_again_writes_its_late_output_alone(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, THREAD, "start(work, 'a', 12, .3)") as (client, path), tab_on(server, path) as page:
            await run_cell(client, path, 0)
            await run_cell(client, path, 1)
            await page.get_by_text("a 0").wait_for()
            await page.locator(".jp-CodeCell .cm-content").nth(1).click()
            await page.keyboard.press("End")
            await page.keyboard.type(" # again")
            await page.keyboard.press("Shift+Enter")
            await eventually(lambda: lines(client, path, 1), [f"a {number}" for number in range(12)])
            await asyncio.sleep(1)
            assert await lines(client, path, 1) == [f"a {number}" for number in range(12)]
            shown = await page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").all_inner_texts()
            assert "".join(shown).split() == [word for number in range(12) for word in ("a", str(number))]

    asyncio.run(run())
