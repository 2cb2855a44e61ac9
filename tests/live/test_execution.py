"""Running cells on the notebook's own kernel: turns, interrupts, floods, displays, people in between."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_outside import eventually
from .test_tools import call, fresh


@asynccontextmanager
async def notebook(server: Server, *sources: str) -> AsyncIterator[tuple[Any, str]]:
    """Yield an agent and a notebook with these code cells."""
    path = fresh()
    async with server.client() as client:
        await call(client, "create_notebook", path=path)
        for index, source in enumerate(sources):
            await call(client, "insert_cell", path=path, index=index, source=source)
        yield client, path


async def run_cell(client: Any, path: str, index: int, **options: Any) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = await call(client, "execute_cell", path=path, index=index, **options)
    return outputs


def text_of(outputs: list[dict[str, Any]]) -> str:
    return "".join(one["content"].get("text", "") for one in outputs)


async def outputs_in_document(client: Any, path: str, index: int) -> list[dict[str, Any]]:
    """Return a cell's outputs whole."""
    part = await call(client, "get_notebook", path=path, start=index, count=1, outputs="full")
    outputs: list[dict[str, Any]] = part["cells"][0]["outputs"]
    return outputs


@asynccontextmanager
async def person_on_kernel(server: Server, path: str) -> AsyncIterator[Any]:
    """Yield a way to run code as JupyterLab does: over the kernel's websocket, on the notebook's session."""
    async with httpx.AsyncClient(headers=server.headers, timeout=60) as http:
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = (await http.post(f"{server.url}api/sessions", json=body)).raise_for_status().json()
    url = f"{server.url.replace('http', 'ws', 1)}api/kernels/{session['kernel']['id']}/channels"

    async with websockets.connect(url, additional_headers=server.headers, max_size=None) as socket:

        async def run(code: str) -> None:
            """Return when the kernel has begun it: an agent's request goes another way, which may be shorter."""
            header = {
                "msg_id": uuid.uuid4().hex,
                "msg_type": "execute_request",
                "session": uuid.uuid4().hex,
                "username": "",
                "version": "5.3",
            }
            content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
            message = {
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
                "channel": "shell",
                "buffers": [],
            }
            await socket.send(json.dumps(message))
            while (answer := json.loads(await socket.recv()))["msg_type"] != "execute_input" or answer[
                "parent_header"
            ].get("msg_id") != header["msg_id"]:
                pass

        yield run


def test_an_agent_runs_on_the_persons_kernel(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, "x + 1") as (client, path), person_on_kernel(server, path) as person:
            await person("x = 41")
            outputs = await run_cell(client, path, 0)
            assert outputs[0]["content"]["data"]["text/plain"] == "42"

    asyncio.run(run())


def test_another_client_of_the_kernel_in_the_server_does_not_take_ours_over(server: Server) -> None:
    """jupyter-resource-usage, which JupyterLab asks for each kernel, connects with the kernel manager's own session."""

    async def job() -> None:
        async with notebook(server, "1 + 1") as (client, path):
            await run_cell(client, path, 0, timeout=60)
            async with httpx.AsyncClient(headers=server.headers, timeout=60) as http:
                sessions = (await http.get(f"{server.url}api/sessions")).raise_for_status().json()
                kernel = next(one["kernel"]["id"] for one in sessions if one["path"] == path)
                for _ in range(3):
                    usage = await http.get(f"{server.url}api/metrics/v1/kernel_usage/get_usage/{kernel}")
                    usage.raise_for_status()
                    (output,) = await run_cell(client, path, 0, timeout=20)
                    assert output["content"]["data"]["text/plain"] == "2"

    asyncio.run(job())


@pytest.mark.slow
def test_a_timeout_does_not_interrupt_somebody_elses_cell(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, "1", "print(done)") as (client, path):
            await run_cell(client, path, 0)
            async with person_on_kernel(server, path) as person:
                await person("import time; done = False; time.sleep(4); done = True")
                await asyncio.sleep(0.5)
                with pytest.raises(ToolError, match="busy with another cell"):
                    await run_cell(client, path, 1, timeout=1)
                assert text_of(await run_cell(client, path, 1)) == "True\n"

    asyncio.run(run())


def test_cells_run_one_after_the_other_in_the_order_of_the_calls(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, "log = []", *[f"log.append({n})" for n in range(5)], "print(log)") as (
            client,
            path,
        ):
            await run_cell(client, path, 0)
            calls = []
            for number in range(5):
                calls.append(asyncio.create_task(run_cell(client, path, number + 1)))
                await asyncio.sleep(0.05)
            await asyncio.gather(*calls)
            assert text_of(await run_cell(client, path, 6)) == "[0, 1, 2, 3, 4]\n"

    asyncio.run(run())


def test_a_flood_is_cut_with_a_notice_and_its_error_is_still_shown(server: Server) -> None:
    source = "import sys\nfor n in range(3000): print('x' * 4000); sys.stdout.flush()\nraise ValueError('the end')"

    async def run() -> None:
        async with notebook(server, source, "1") as (client, path):
            before = server.counts()["rss"]
            outputs = await run_cell(client, path, 0)
            assert [one["type"] for one in outputs] == ["stream", "stream", "stream", "error"]
            assert re.search(r"characters left out: get_output\(.*, output=0, start=\d+\)", text_of(outputs[:1]))
            assert "output cut off" in outputs[1]["content"]["text"]
            assert outputs[2]["content"]["text"].endswith("x" * 400 + "\n")  # of a long line, the end
            assert outputs[3]["content"]["evalue"] == "the end"
            shown = await outputs_in_document(client, path, 0)
            assert [one["output_type"] for one in shown] == [one["type"] for one in outputs]
            assert (7 << 20) < len(shown[0]["text"]) <= (8 << 20)
            assert server.counts()["rss"] - before < 250 << 20
            await call(client, "delete_cell", path=path, index=0)

    asyncio.run(run())


def test_many_small_messages_are_few_transactions(server: Server) -> None:
    source = "import sys\nfor n in range(5000): print(n); sys.stdout.flush()"

    async def run() -> None:
        async with notebook(server, source) as (client, path):
            tab, updates = YNotebook(), 0

            def count(_: object) -> None:
                nonlocal updates
                updates += 1

            async with in_room(server, path, tab):
                subscription = tab.ydoc.observe(count)
                began = time.monotonic()
                await run_cell(client, path, 0)
                took = time.monotonic() - began
                tab.ydoc.unobserve(subscription)
            outputs = await outputs_in_document(client, path, 0)
            assert "".join(one["text"] for one in outputs).split() == [str(number) for number in range(5000)]
            assert updates < 30 * took + 20

    asyncio.run(run())


def test_outputs_appear_while_the_cell_runs(server: Server) -> None:
    source = "import time\nprint('first', flush=True)\ntime.sleep(3)\nprint('second')"

    async def run() -> None:
        async with notebook(server, source) as (client, path):
            running = asyncio.create_task(run_cell(client, path, 0))

            async def shown() -> str:
                return "".join(one.get("text", "") for one in await outputs_in_document(client, path, 0))

            await eventually(shown, "first\n")
            assert not running.done()
            assert text_of(await running) == "first\nsecond\n"

    asyncio.run(run())


def test_clear_output_and_displays_are_honoured_also_across_cells(server: Server) -> None:
    first = (
        "from IPython.display import display, clear_output\n"
        "print('gone'); clear_output(wait=True); print('kept')\n"
        "handle = display({'text/plain': 'old'}, raw=True, display_id='shared')\n"
    )
    second = "handle.update({'text/plain': 'new'}, raw=True); print('updated')"

    async def run() -> None:
        async with notebook(server, first, second) as (client, path):
            outputs = await run_cell(client, path, 0)
            assert text_of(outputs) == "kept\n"
            assert outputs[1]["content"]["data"] == {"text/plain": "old"}
            assert "transient" not in outputs[1]["content"]
            assert text_of(await run_cell(client, path, 1)) == "updated\n"

            async def shown() -> Any:
                return (await outputs_in_document(client, path, 0))[1]["data"]

            await eventually(shown, {"text/plain": "new"})

    asyncio.run(run())


def test_a_progress_bar_stays_one_line(server: Server) -> None:
    source = (
        "import time\nfor n in range(50): print(f'\\r{n:3}%', end='', flush=True); time.sleep(.01)\nprint('\\ndone')"
    )

    async def run() -> None:
        async with notebook(server, source) as (client, path):
            assert text_of(await run_cell(client, path, 0)) == " 49%\ndone\n"
            assert (await outputs_in_document(client, path, 0))[0]["text"] == " 49%\ndone\n"

    asyncio.run(run())


def test_outputs_that_no_browser_could_hold_do_not_break_the_notebook(server: Server) -> None:
    # No print of half a surrogate pair: ipykernel 7.4 can't send it, and with it now and then drops what comes next.
    source = (
        "from IPython.display import display\n"
        "display({'application/json': {'big': 2**70, 'deep': [1, None, {'x': 'é'}]}}, raw=True)"
    )

    async def run() -> None:
        async with notebook(server, source) as (client, path):
            outputs = await run_cell(client, path, 0)
            shown = await outputs_in_document(client, path, 0)
            assert [one["output_type"] for one in shown] == [one["type"] for one in outputs]
            assert shown[-1]["data"]["application/json"]["big"] == float(2**70)

    asyncio.run(run())


@pytest.mark.slow
def test_a_running_cell_may_be_moved_or_deleted_by_a_person(server: Server) -> None:
    source = "import time\nfor n in range(30): print(n, flush=True); time.sleep(.1)"

    async def run() -> None:
        async with notebook(server, source, source, "'other'") as (client, path):
            tab = YNotebook()
            async with in_room(server, path, tab):
                running = asyncio.create_task(run_cell(client, path, 0))
                await asyncio.sleep(1)
                # As JupyterLab moves a cell: the same cell, deleted and made anew.
                moved = tab.get_cell(0)
                with tab.ydoc.transaction():
                    del tab.ycells[0]
                    tab.ycells.insert(1, tab.create_ycell(moved))
                assert text_of(await running).split() == [str(number) for number in range(30)]
                shown = await outputs_in_document(client, path, 1)
                assert "".join(one["text"] for one in shown).split() == [str(number) for number in range(30)]
                assert await outputs_in_document(client, path, 0) == []

                running = asyncio.create_task(run_cell(client, path, 0))
                await asyncio.sleep(1)
                del tab.ycells[0]
                assert text_of(await running).split() == [str(number) for number in range(30)]
                assert (await run_cell(client, path, 1))[0]["content"]["data"]["text/plain"] == "'other'"

    asyncio.run(run())


def test_a_kernel_that_dies_while_it_streams_is_noticed_and_healed(server: Server) -> None:
    die = "import os, threading, time\nthreading.Timer(1, lambda: os.kill(os.getpid(), 9)).start()\n"
    source = die + "while True: print('x')"

    async def run() -> None:
        async with notebook(server, source, "'alive'") as (client, path):
            with pytest.raises(ToolError, match="kernel died"):
                await run_cell(client, path, 0)
            # What the server has to say is no output of the person's cell.
            assert {one["output_type"] for one in await outputs_in_document(client, path, 0)} <= {"stream"}
            assert (await run_cell(client, path, 1))[0]["content"]["data"]["text/plain"] == "'alive'"

    asyncio.run(run())


def test_a_restart_by_a_person_while_a_cell_runs_is_an_error_and_the_next_call_works(server: Server) -> None:
    async def run() -> None:
        source = "import time; print('on', flush=True); time.sleep(600)"
        async with notebook(server, source, "'fresh'") as (client, path):
            running = asyncio.create_task(run_cell(client, path, 0))

            async def on() -> bool:
                return bool(await outputs_in_document(client, path, 0))

            await eventually(on, wanted=True)  # else the restart may come before the run
            async with httpx.AsyncClient(headers=server.headers, timeout=60) as http:
                sessions = (await http.get(f"{server.url}api/sessions")).json()
                kernel = next(one["kernel"]["id"] for one in sessions if one["path"] == path)
                (await http.post(f"{server.url}api/kernels/{kernel}/restart")).raise_for_status()
            with pytest.raises(ToolError, match="was restarted while the cell ran"):
                await running
            # What the server has to say is no output of the person's cell.
            names = {one.get("ename") for one in await outputs_in_document(client, path, 0)}
            assert names <= {None, "KeyboardInterrupt"}  # Jupyter interrupts first: that the kernel says itself
            assert (await run_cell(client, path, 1))[0]["content"]["data"]["text/plain"] == "'fresh'"

    asyncio.run(run())


@pytest.mark.slow
def test_a_cell_that_ignores_the_interrupt_does_not_hold_the_caller(make_server: MakeServer) -> None:
    server = make_server(options=("--JupyterMCP.interrupt_grace=1",))
    source = (
        "import os, time\n"
        "while not os.path.exists('let-go'):\n    try:\n        time.sleep(.1)\n    except KeyboardInterrupt: pass"
    )

    async def run() -> None:
        async with notebook(server, source, "'after'") as (client, path):
            with pytest.raises(ToolError, match="ran over 2 s"):
                await run_cell(client, path, 0, timeout=2)
            with pytest.raises(ToolError, match="busy with another cell"):
                await run_cell(client, path, 1, timeout=1)
            (server.folder / "let-go").touch()
            assert (await run_cell(client, path, 1))[0]["content"]["data"]["text/plain"] == "'after'"

    asyncio.run(run())


def test_what_runs_is_the_source_that_the_cell_has_at_its_turn(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, "import time; time.sleep(2)", "'old'", "'old'") as (client, path):
            stale = await call(client, "get_cell", path=path, index=2)
            first = asyncio.create_task(run_cell(client, path, 0))
            await asyncio.sleep(0.3)
            second = asyncio.create_task(run_cell(client, path, 1))
            third = asyncio.create_task(run_cell(client, path, 2, expected=stale["revision"]))
            await asyncio.sleep(0.3)
            await call(client, "update_cell", path=path, index=1, source="'new'")
            await call(client, "update_cell", path=path, index=2, source="'new'")
            await first
            assert (await second)[0]["content"]["data"]["text/plain"] == "'new'"
            with pytest.raises(ToolError, match="changed since"):
                await third

    asyncio.run(run())


def test_a_kernel_runs_in_its_notebooks_folder_and_a_missing_one_is_named(server: Server) -> None:
    path = f"folder/{fresh()}"

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="import os; print(os.getcwd())")
            assert text_of(await run_cell(client, path, 0)) == f"{(server.folder / 'folder').resolve()}\n"
            other = fresh()
            cell = {
                "cell_type": "code",
                "source": "1",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "id": "a",
            }
            spec = {"name": "cobol", "display_name": "Cobol", "language": "cobol"}
            content = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
            (server.folder / other).write_text(json.dumps(content))
            with pytest.raises(ToolError, match=r"no kernel 'cobol'.*it has python3"):
                await run_cell(client, other, 0)

    asyncio.run(run())


@pytest.mark.slow
def test_a_long_run_reports_progress(server: Server) -> None:
    async def run() -> None:
        async with notebook(server, "1", "import time; time.sleep(5)") as (client, path):
            # A kernel that takes long to start is reported as just that.
            await run_cell(client, path, 0)
            reports: list[tuple[float, str | None]] = []

            async def report(progress: float, total: float | None, message: str | None) -> None:
                assert total is None
                reports.append((progress, message))

            await client.call_tool("execute_cell", {"path": path, "index": 1}, progress_handler=report)
            assert reports
            assert all("running" in (message or "") for _, message in reports)

    asyncio.run(run())


def test_a_picture_comes_as_an_image_and_never_as_bytes_in_json(server: Server) -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    source = f"from IPython.display import display\ndisplay({{'image/png': '{png}'}}, raw=True)"

    async def run() -> None:
        async with notebook(server, source) as (client, path):
            result = await client.call_tool("execute_cell", {"path": path, "index": 0})
            assert png not in json.dumps(result.structured_content)
            text, address, image = result.content
            assert png not in text.text
            assert "1x1, 70 bytes, image 1 of this reply" in text.text
            assert json.loads(address.text) == {k: v for k, v in result.structured_content.items() if k != "result"}
            assert (image.type, image.mime_type, image.data) == ("image", "image/png", png)

    asyncio.run(run())
