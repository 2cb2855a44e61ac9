"""A run belongs to its notebook: it outlives the call and the client, and is waited for and stopped by its id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastmcp.exceptions import ToolError

from .conftest import Server
from .test_execution import notebook, outputs_in_document, person_on_kernel, run_cell, text_of
from .test_outside import eventually
from .test_tools import call

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
COUNTING = "import time\nfor n in range(30): print(n, flush=True); time.sleep(.1)"
ALL = [str(number) for number in range(30)]
STUBBORN = "import time\nwhile True:\n    try:\n        while True: time.sleep(.1)\n    except KeyboardInterrupt: pass"
FREE = "from IPython import get_ipython\n'free'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose calls answer within a second and a half."""
    options = ("--JupyterMCP.call_timeout=1.5", "--JupyterMCP.interrupt_grace=1")
    running = Server(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home"), options=options).start()
    yield running
    running.stop()


async def running_in(client: Any, path: str, index: int) -> None:
    async def begun() -> bool:
        return bool(await outputs_in_document(client, path, index))

    await eventually(begun, wanted=True)


async def has_a_kernel(client: Any, path: str) -> None:
    """Run the first cell, however long the kernel takes to start."""
    assert (await call(client, "run_cells", path=path, start=0, stop=1, wait=60))["state"] == "done"


async def leave_without_a_word(server: Server, era: str, path: str, index: int) -> None:
    """Call execute_cell as an agent does that is killed a second later: no goodbye, just a closed socket."""
    headers = {**server.headers, "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
    params: dict[str, Any] = {"name": "execute_cell", "arguments": {"path": path, "index": index}}
    async with httpx.AsyncClient() as http:
        if era == "legacy":
            headers["MCP-Protocol-Version"] = "2025-06-18"
            client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "r", "version": "1"}}
            body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}
            answer = await http.post(server.mcp, headers=headers, json=body, timeout=20)
            headers["Mcp-Session-Id"] = answer.headers["mcp-session-id"]
            done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await http.post(server.mcp, headers=headers, json=done, timeout=20)
        else:
            headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "execute_cell"}
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        with pytest.raises(TimeoutError):
            # Not httpx's own timeout, which begins anew with each byte that a stream brings.
            await asyncio.wait_for(http.post(server.mcp, headers=headers, json=body, timeout=None), 1)


@ERAS
def test_a_killed_client_leaves_its_run_to_the_notebook_where_others_see_and_await_it(server: Server, era: str) -> None:
    async def job() -> None:
        async with notebook(server, "0", COUNTING) as (watching, path):
            await has_a_kernel(watching, path)
            await leave_without_a_word(server, era, path, 1)
            found = await call(watching, "get_cell", path=path, index=1)
            assert found["state"] == "running"
            assert found["by"]
            ended = await call(watching, "get_run", run_id=found["run"])
            assert ended["state"] == "done"
            assert text_of([{"content": one} for one in await outputs_in_document(watching, path, 1)]).split() == ALL
            assert (await call(watching, "get_cell", path=path, index=1))["state"] == "done"

    asyncio.run(job())


@ERAS
def test_a_call_answers_within_its_bound_and_the_run_goes_on(server: Server, era: str) -> None:
    async def job() -> None:
        async with notebook(server, "0", COUNTING) as (_, path), server.client(mode=era) as client:
            await has_a_kernel(client, path)
            began = time.monotonic()
            result = await client.call_tool("execute_cell", {"path": path, "index": 1})
            assert time.monotonic() - began < 2.9
            so_far = "".join(one["content"]["text"] for one in result.structured_content["result"]).split()
            assert so_far == ALL[: len(so_far)] != []
            told = result.structured_content["run"]
            assert told["state"] == "running"
            assert any(told["run"] in block.text and "get_run" in block.text for block in result.content)
            ended = await call(client, "get_run", run_id=told["run"])
            assert (ended["state"], ended["cells"][0]["outputs"].split()) == ("done", ALL)

    asyncio.run(job())


def test_an_explicit_cancel_interrupts_and_the_cell_shows_only_what_the_kernel_said(server: Server) -> None:
    async def job() -> None:
        async with notebook(server, "0", COUNTING) as (watching, path):
            await has_a_kernel(watching, path)
            async with server.client(mode="legacy") as leaving:
                running = asyncio.create_task(run_cell(leaving, path, 1))
                await running_in(watching, path, 1)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

                async def state() -> str:
                    return str((await call(watching, "get_cell", path=path, index=1))["state"])

                await eventually(state, "interrupted")
            shown = await outputs_in_document(watching, path, 1)
            assert [one.get("ename") for one in shown] == [None, "KeyboardInterrupt"]

    asyncio.run(job())


@pytest.mark.slow
@ERAS
def test_a_stop_says_whether_the_kernel_obeyed_and_a_restart_frees_the_notebook(server: Server, era: str) -> None:
    async def job() -> None:
        async with notebook(server, "0", COUNTING, STUBBORN, FREE) as (_, path), server.client(mode=era) as client:
            await has_a_kernel(client, path)
            cells = (await call(client, "get_notebook", path=path))["cells"]
            run = (await call(client, "run_cells", path=path, start=1, stop=2, wait=0))["run"]
            await running_in(client, path, 1)
            assert "obeyed" in (stopped := await call(client, "stop_run", run_id=run))["outcome"]
            assert stopped["state"] == "interrupted"

            run = (await call(client, "run_cells", path=path, start=2, stop=3, wait=0.5))["run"]
            stopped = await call(client, "stop_run", run_id=run)
            assert stopped["state"] == "running"
            assert "has not obeyed" in stopped["outcome"]
            assert "restart_kernel" in stopped["outcome"]
            assert await outputs_in_document(client, path, 2) == []
            with pytest.raises(ToolError, match=r"busy with another cell.*list_kernels"):
                await run_cell(client, path, 3, timeout=0.5)
            kernel = next(one for one in (await call(client, "list_kernels"))["kernels"] if one["notebook"] == path)
            assert kernel["runs"][0]["run"] == run
            # A second and a half is not enough for a kernel that must be killed: it goes on.
            assert "restart" in (await call(client, "restart_kernel", path=path))["outcome"]
            assert (await call(client, "get_run", run_id=run))["state"] == "error"
            after = await call(client, "run_cells", path=path, cells=[cells[3]["id"]], wait=60)
            assert after["cells"][0]["outputs"] == "'free'"
            assert await outputs_in_document(client, path, 2) == []

    asyncio.run(job())


@pytest.mark.slow
def test_a_call_that_waits_for_somebody_elses_cell_says_so_within_five_seconds(server: Server) -> None:
    async def job() -> None:
        async with notebook(server, "done") as (client, path), person_on_kernel(server, path) as person:
            await person("import time; done = False; time.sleep(4); done = True")
            async with httpx.AsyncClient(base_url=server.url, headers=server.headers) as http:
                states: set[str] = set()
                while "busy" not in states:
                    await asyncio.sleep(0.02)
                    states = {one["kernel"]["execution_state"] for one in (await http.get("api/sessions")).json()}
            told: list[str | None] = []

            async def report(_: float, __: float | None, message: str | None) -> None:
                told.append(message)

            arguments = {"path": path, "start": 0, "wait": 20}
            result = await client.call_tool("run_cells", arguments, progress_handler=report)
            assert told[0] is not None
            assert "somebody else" in told[0]
            assert result.structured_content["cells"][0]["outputs"] == "True"

    asyncio.run(job())


def test_code_without_a_cell_sees_the_variables_and_leaves_no_trace(server: Server) -> None:
    async def job() -> None:
        async with notebook(server, "x = 41", "x") as (client, path):
            await has_a_kernel(client, path)
            before = await call(client, "get_notebook", path=path)
            reply = await call(client, "run_code", path=path, code="x += 1; print(x); x")
            assert reply["cells"][0]["outputs"].split() == ["42", "42"]
            assert await call(client, "get_notebook", path=path) == before
            (shown,) = await run_cell(client, path, 1)
            assert shown["content"]["execution_count"] == 2

    asyncio.run(job())


@pytest.mark.slow
def test_stop_of_a_stubborn_cell_is_told_truly_a_restart_frees_it_and_a_shutdown_is_missed_aloud(
    server: Server,
) -> None:
    async def job() -> None:
        async with notebook(server, "x = 1", STUBBORN, "print(x)") as (client, path):
            await has_a_kernel(client, path)
            run = (await call(client, "run_cells", path=path, start=1, stop=2, wait=0))["run"]
            # Its cell prints nothing: the kernel says busy, and Jupyter knows.
            await eventually(lambda: _state(client, path), "busy")
            assert "has not obeyed" in (await call(client, "interrupt_kernel", path=path))["outcome"]
            assert (await call(client, "get_run", run_id=run, wait=0))["state"] == "running"
            waiting = (await call(client, "run_cells", path=path, start=2, wait=0))["run"]
            await call(client, "restart_kernel", path=path)
            ended = await call(client, "get_run", run_id=run)
            assert "was restarted while the cell ran" in ended["cells"][0]["error"]
            stopped = await call(client, "get_run", run_id=waiting)
            assert (stopped["state"], stopped["cells"][0]["state"]) == ("interrupted", "skipped")
            # Asked for while the restart goes on, it runs on the new kernel, where x is not.
            after = await call(client, "run_cells", path=path, start=2, wait=60)
            assert "NameError" in after["cells"][0]["outputs"]
            assert "earlier variables are gone" in after["notices"][0]
            assert "is shut down" in (await call(client, "shutdown_kernel", path=path))["outcome"]
            after = await call(client, "run_cells", path=path, start=0, stop=1, wait=60)
            assert after["state"] == "done"
            assert "New kernel: earlier variables are gone" in after["notices"][0]

    asyncio.run(job())


async def _state(client: Any, path: str) -> str | None:
    kernels = (await call(client, "list_kernels"))["kernels"]
    return next((one["state"] for one in kernels if one["notebook"] == path), None)


def test_set_kernel_writes_what_jupyterlab_shows_and_its_file_keeps_it(server: Server) -> None:
    async def job() -> None:
        async with notebook(server, "0") as (client, path):
            reply = await call(client, "set_kernel", path=path, name="python3")
            assert "next run of a cell starts it" in reply["outcome"]
            async with httpx.AsyncClient(base_url=server.url, headers=server.headers) as http:
                spec = (await http.get("api/kernelspecs")).json()["kernelspecs"]["python3"]["spec"]

                async def in_file() -> Any:
                    content = (await http.get(f"api/contents/{path}")).json()["content"]
                    return content["metadata"].get("kernelspec")

                shown = {key: spec[key] for key in ("display_name", "language")}
                await eventually(in_file, {"name": "python3", **shown})
            with pytest.raises(ToolError, match=r"no kernel 'cobol'; it has python3"):
                await call(client, "set_kernel", path=path, name="cobol")

    asyncio.run(job())


# Ten minutes of a cell, at a hundredth of the time: it outlives its client by many times the client's life.
LONG = """
import sys, time
for minute in range(60):
    print("minute", minute, flush=True)
    print("warning", minute, file=sys.stderr, flush=True)
    time.sleep(.1)
'the end'
"""


@pytest.mark.slow
@ERAS
def test_a_cell_of_ten_minutes_outlives_its_client_and_another_sees_all_of_it(server: Server, era: str) -> None:
    async def job() -> None:
        async with notebook(server, "0", LONG) as (_, path), server.client(mode=era) as other:
            await has_a_kernel(other, path)
            await leave_without_a_word(server, era, path, 1)
            found = await call(other, "get_cell", path=path, index=1)
            assert found["state"] == "running"
            run = found["run"]
            early = await call(other, "get_run", run_id=run, wait=0)
            assert early["state"] == "running"
            assert "minute 0" in early["cells"][0]["outputs"]
            assert "the end" not in early["cells"][0]["outputs"]
            ended = await call(other, "get_run", run_id=run, wait=60)
            assert (ended["state"], ended["cells"][0]["state"]) == ("done", "done")
            assert ended["cells"][0]["seconds"] >= 6
            shown = await outputs_in_document(other, path, 1)
            for name, word in (("stdout", "minute"), ("stderr", "warning")):
                said = "".join(one["text"] for one in shown if one.get("name") == name)
                assert said == "".join(f"{word} {minute}\n" for minute in range(60))
            assert [one["data"]["text/plain"] for one in shown if "data" in one] == ["'the end'"]
            after = await call(other, "get_cell", path=path, index=1)
            assert (after["state"], after["execution_count"]) == ("done", 2)
            # Nothing of it is left: the kernel is free for the next cell.
            kernel = next(one for one in (await call(other, "list_kernels"))["kernels"] if one["notebook"] == path)
            assert "runs" not in kernel

    asyncio.run(job())
