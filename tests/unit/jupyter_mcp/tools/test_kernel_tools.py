"""The tools for kernels and runs over MCP, in both eras: each outcome that they tell is what the kernel did."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from jupyter_mcp.kernels import runs as runs_module
from jupyter_mcp.tools import run_replies
from tests.support.fake_kernel import FakeKernel, FakeManager, never_ends, obeys
from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

SPECS = SimpleNamespace(
    get_all_specs=lambda: {
        "python3": {"spec": {"display_name": "Python 3", "language": "python"}},
        "ir": {"spec": {"display_name": "R", "language": "R"}},
    }
)


async def told(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    result = (await client.call_tool(tool, arguments)).structured_content
    assert isinstance(result, dict)
    return result


async def running(at: Served, client: Any, **arguments: Any) -> str:
    """Return the id of a run of the first cell, which goes on for ever."""
    at.write("n.ipynb", "one", "two")
    at.seat.fake.script = never_ends
    arguments = {"path": "n.ipynb", "stop": 1, "wait": 0, **arguments}
    run_id: str = (await told(client, "run_cells", **arguments))["run"]
    current = at.seat.execution.runs.get(run_id)
    while not (current.current and current.current.outputs):  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.005)
    return run_id


@pytest.mark.parametrize("era", ERAS)
def test_set_kernel_writes_the_notebooks_metadata_and_only_once(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        at.write("o.ipynb", "two")
        async with at.agent(era=era) as client:
            reply = await told(client, "set_kernel", path="o.ipynb", name="ir")
            assert reply == {"path": "o.ipynb", "outcome": "The next run of a cell starts it: ir."}
            metadata = (await told(client, "get_notebook", path="o.ipynb"))["metadata"]
            assert metadata["kernelspec"] == {"name": "ir", "display_name": "R", "language": "R"}
            assert metadata["language_info"] == {"name": "R"}
            assert "stay" in (await told(client, "set_kernel", path="n.ipynb", name="python3"))["outcome"]
            with pytest.raises(ToolError, match=r"no kernel 'cobol'; it has ir, python3\. Nothing was changed"):
                await client.call_tool("set_kernel", {"path": "o.ipynb", "name": "cobol"})
            assert (await told(client, "get_notebook", path="o.ipynb"))["metadata"] == metadata

    run(tmp_path, job, specs=SPECS)


@pytest.mark.parametrize("era", ERAS)
def test_each_kernel_tool_says_what_became_of_the_kernel(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as client:
            run_id = await running(at, client)
            (kernel,) = (await told(client, "list_kernels"))["kernels"]
            assert (kernel["notebook"], kernel["runs"][0]["run"]) == ("n.ipynb", run_id)
            assert "has not obeyed" in (await told(client, "interrupt_kernel", path="n.ipynb"))["outcome"]
            assert "new kernel" in (await told(client, "restart_kernel", path="n.ipynb"))["outcome"]
            ended = await told(client, "get_run", run_id=run_id)
            assert ended["state"] == "error"
            assert "was restarted while the cell ran" in ended["cells"][0]["error"]
            assert "is shut down" in (await told(client, "shutdown_kernel", path="n.ipynb"))["outcome"]
            for tool in ("interrupt_kernel", "restart_kernel", "shutdown_kernel"):
                with pytest.raises(ToolError, match=r"No kernel runs for 'n\.ipynb'"):
                    await client.call_tool(tool, {"path": "n.ipynb"})
                with pytest.raises(ToolError, match=r"No notebook at 'none\.ipynb'"):
                    await client.call_tool(tool, {"path": "none.ipynb"})

    run(tmp_path, job, grace=0.2)


@pytest.mark.parametrize("era", ERAS)
def test_stop_run_says_whether_the_kernel_obeyed(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as client:
            run_id = await running(at, client)
            stopped = await told(client, "stop_run", run_id=run_id)
            assert stopped["state"] == "running"
            assert "has not obeyed: the cell still runs" in stopped["outcome"]
            assert "restart_kernel ends" in stopped["next"]
            waiting = (await told(client, "run_cells", path="n.ipynb", start=1, wait=0))["run"]
            looked = await told(client, "get_run", run_id=waiting, wait=0)
            assert (looked["state"], looked["place"]) == ("queued", 2)
            assert run_id in looked["now"]
            stopped = await told(client, "stop_run", run_id=waiting)
            assert (stopped["state"], stopped["outcome"]) == ("interrupted", "It had not begun; nothing was run.")
            at.seat.manager.on_interrupt = lambda: obeys(at.seat.fake)
            stopped = await told(client, "stop_run", run_id=run_id)
            assert (stopped["state"], stopped["outcome"]) == (
                "interrupted",
                "The kernel obeyed: the cell was interrupted.",
            )
            assert stopped["stopped"].startswith("was stopped by ")
            stopped = await told(client, "stop_run", run_id=run_id)
            assert stopped["outcome"] == "It had ended before: interrupted."
            with pytest.raises(ToolError, match="No run 'run-0'"):
                await client.call_tool("stop_run", {"run_id": "run-0"})

    run(tmp_path, job, grace=0.2)


def test_stop_run_of_a_cell_that_waits_inside_the_kernel_says_so(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")

        async def silent(_: FakeKernel) -> None:
            """Have the kernel busy with what it got before."""

        at.seat.fake.script = silent
        async with at.agent() as client:
            run_id = (await told(client, "run_cells", path="n.ipynb", wait=0.8))["run"]
            assert "somebody else" in (await told(client, "get_run", run_id=run_id, wait=0))["now"]
            outcome = (await told(client, "stop_run", run_id=run_id))["outcome"]
            assert "has not begun: its code waits in the kernel behind a cell that somebody else runs" in outcome
            assert at.seat.manager.interrupts == 0

    run(tmp_path, job, grace=0.2)


def test_stop_run_of_a_kernel_that_dies_meanwhile_tells_its_end(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            run_id = await running(at, client)
            at.seat.manager.on_interrupt = lambda: setattr(at.seat.manager, "alive", False)
            outcome = (await told(client, "stop_run", run_id=run_id))["outcome"]
            assert "The kernel died while the cell ran; its variables are gone" in outcome

    run(tmp_path, job, grace=3)


def test_run_cells_with_restart_runs_on_a_new_kernel_and_a_bad_call_costs_none(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        at.write("o.ipynb", "three")
        async with at.agent() as client:
            await told(client, "run_cells", path="n.ipynb")
            process = at.seat.manager.provisioner.pid
            for bad in ({"cells": ["none"]}, {"start": 5}, {"cells": ["id-0"], "start": 0}):
                with pytest.raises(ToolError):
                    await client.call_tool("run_cells", {"path": "n.ipynb", "restart": True, **bad})
            assert at.seat.manager.provisioner.pid == process
            reply = await told(client, "run_cells", path="n.ipynb", restart=True)
            assert [cell["state"] for cell in reply["cells"]] == ["done", "done"]
            assert "earlier variables are gone" in reply["notices"][0]
            assert at.seat.manager.provisioner.pid != process
            at.seat.managers.fails = OSError("no memory")
            with pytest.raises(ToolError, match="did not start again"):
                await client.call_tool("run_cells", {"path": "n.ipynb", "restart": True})
            at.seat.managers.fails = None

            async def make(_: str | None) -> str:
                at.seat.managers["o"] = FakeManager(at.seat.fake)
                return "o"

            at.seat.sessions.make = make
            assert (await told(client, "run_cells", path="o.ipynb", restart=True))["state"] == "done"

    run(tmp_path, job)


def test_of_many_cells_those_that_failed_and_the_last_are_told_and_the_rest_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_replies, "FEW_CELLS", 3)
    monkeypatch.setattr(run_replies, "MOST_CELLS", 3)

    async def job(at: Served) -> None:
        at.write("n.ipynb", *(str(number) for number in range(6)))

        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            if kernel.code == "1":
                kernel.reply(status="error", ename="E", evalue="", traceback=[])
                kernel.status("idle")
            else:
                kernel.stream("said")
                kernel.done()

        at.seat.fake.script = script
        async with at.agent() as client:
            reply = await told(client, "run_cells", path="n.ipynb", stop_on_error=False)
            assert [cell["id"] for cell in reply["cells"]] == ["id-1", "id-4", "id-5"]
            assert reply["not_shown"] == {"done": 3}

    run(tmp_path, job)


def test_outputs_that_are_no_longer_kept_are_said_to_be_in_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "KEPT_BYTES", 0)

    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent() as client:
            run_id = (await told(client, "run_cells", path="n.ipynb"))["run"]
            (cell,) = (await told(client, "get_run", run_id=run_id))["cells"]
            assert cell["outputs"] == "no longer kept here; get_cell reads them"

    run(tmp_path, job)


def test_a_fault_of_ours_is_told_without_what_it_said(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")

        async def broken(*_: object) -> str:
            raise ZeroDivisionError("secret")

        at.seat.kernels.id_of = broken  # type: ignore[method-assign, assignment]
        async with at.agent() as client:
            (cell,) = (await told(client, "run_cells", path="n.ipynb"))["cells"]
            assert cell["error"] == "A fault in this server (ZeroDivisionError); its log tells more."

    run(tmp_path, job)


@pytest.mark.parametrize("era", ERAS)
def test_a_server_with_thirteen_tools_names_no_other_in_any_reply(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        said: list[str] = []
        async with at.agent(era=era) as client:
            offered = {tool.name for tool in await client.list_tools()}
            assert len(offered) == 13

            async def call(tool: str, **arguments: Any) -> None:
                try:
                    result = await client.call_tool(tool, arguments)
                except ToolError as error:
                    said.append(str(error))
                else:
                    said.extend(block.text for block in result.content if block.type == "text")
                    said.append(str(result.structured_content))

            async def prints(kernel: FakeKernel) -> None:
                kernel.status("busy")
                kernel.stream("line\n" * 20_000)
                kernel.display({"image/png": "AAAA", "text/plain": "<Figure>"})
                kernel.display({"application/vnd.plotly.v1+json": {"a": 1}})
                kernel.done()

            at.seat.fake.script = prints
            await call("execute_cell", path="n.ipynb", index=0)
            await call("get_cell", path="n.ipynb", index=0)
            await call("get_notebook", path="n.ipynb")
            await call("list_notebooks", folder="none")
            at.seat.fake.script = never_ends
            await call("execute_cell", path="n.ipynb", index=0)
            assert "It goes on by itself" in said[-1]
            assert "get_cell shows its state and its outputs" in said[-1]
            await call("execute_cell", path="n.ipynb", index=1, timeout=0.1)
            assert "ask a person to interrupt what runs" in said[-1]
            at.seat.fake.done()
            at.seat.fake.script = never_ends
            await call("execute_cell", path="n.ipynb", index=1, timeout=0.2)
            assert "has not obeyed" in said[-1]
            assert "restart of the kernel, for which a person can be asked, ends it" in said[-1]
            await call("get_cell", path="n.ipynb", index=1)
        names = set(at.all_tools) - offered
        assert len(names) > 10
        found = {name for name in names for text in said if name in text}
        assert not found, [text for text in said if any(name in text for name in found)]

    run(tmp_path, job, tools="thirteen", call_timeout=1.5, grace=0.1)
