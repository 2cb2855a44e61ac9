"""Tools that run cells and code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastmcp.tools import ToolResult
from pydantic import Field

from jupyter_mcp.kernels.runs import Run, Runs
from jupyter_mcp.notebooks.running import outputs_of
from jupyter_mcp.replies.brief import in_brief, outputs_reply
from jupyter_mcp.replies.replies import CellOutput, Ran, reply, schema
from jupyter_mcp.replies.reply_limits import reply_limit
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.transport.auth import Action

from .parameters import WAIT, CellId, CellIds, Expected, Index, Path, Wait, hints
from .run_replies import RunReply, brief_of, still_ignored, told_of
from .tasks import may_become_a_task
from .toolbox import Toolbox
from .waiting import waited


def offer_execution_tools(tools: Toolbox) -> None:
    """Offer the tools that run cells and code."""
    server, notebooks, running = tools.server, tools.notebooks, tools.running
    runs = running.runs

    @server.tool(
        annotations=hints("Run a cell", reads=False, destroys=True, repeatable=False, world=True),
        output_schema=schema(list[CellOutput], Ran),
    )
    async def execute_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float | None,
            Field(gt=0, description="Seconds for the kernel, and as many for the run; then it is interrupted"),
        ] = None,
    ) -> ToolResult:
        """Run a code cell on the notebook's kernel; gives its outputs, which everyone sees live.

        What takes longer than a call may goes on: the reply has the outputs so far, and the run's id in `run`. get_run
        waits for it, stop_run stops it. An exception in the code is an output of type 'error', not a failed call.
        input() is refused.
        """
        # Running writes outputs, so it takes both rights.
        agent = await tools.admit(("execute", "kernels"), ("write", "contents"))
        live = await notebooks.join(path)
        run = running.cell(live, live.locate(index, cell_id), by=agent.name, expected=expected, seconds=timeout)
        seconds = may_become_a_task(run, lambda: _outputs_reply(live, run, runs), tools.call_timeout)
        with run.steps[0].held():
            await waited(tools, run, seconds, stops=True)
            if run.ignored.is_set() and not run.over.is_set():
                raise still_ignored(run)
            return await _outputs_reply(live, run, runs)

    @server.tool(
        annotations=hints("Run cells", reads=False, destroys=True, repeatable=False, world=True),
        output_schema=schema(RunReply),
    )
    async def run_cells(
        path: Path,
        cells: CellIds = None,
        start: Annotated[int | None, Field(description="Instead: index of the first")] = None,
        stop: Annotated[int | None, Field(description="Index after the last")] = None,
        restart: Annotated[bool, Field(description="Restart the kernel first: variables go")] = False,
        stop_on_error: bool = True,
        wait: Wait = WAIT,
    ) -> ToolResult:
        """Run code cells in order: these, a range, or all. After `wait` seconds the run goes on. get_run waits."""
        restarting: list[tuple[Action, str]] = [("write", "kernels")] if restart else []
        agent = await tools.admit(("execute", "kernels"), ("write", "contents"), *restarting)
        live = await notebooks.join(path)
        run = running.cells(live, by=agent.name, ids=cells, start=start, stop=stop, stop_on_error=stop_on_error)
        with live.hold():  # a restart takes a while
            if restart:
                await tools.kernels.restart_if_there(live.path, agent.name)
            running.begin(live, run)
        await waited(tools, run, may_become_a_task(run, lambda: _run_reply(run, runs), wait), stops=True)
        return await _run_reply(run, runs)

    @server.tool(
        annotations=hints("Run code", reads=False, destroys=True, repeatable=False, world=True),
        output_schema=schema(RunReply),
    )
    async def run_code(path: Path, code: str, wait: Wait = WAIT) -> ToolResult:
        """Run code on the notebook's kernel, with its variables, but in no cell: to look at data, say."""
        agent = await tools.admit(("execute", "kernels"), ("write", "contents"))
        run = running.code(await notebooks.join(path), code, by=agent.name)
        await waited(tools, run, may_become_a_task(run, lambda: _run_reply(run, runs), wait), stops=True)
        return await _run_reply(run, runs)


async def _run_reply(run: Run, runs: Runs) -> ToolResult:
    return reply(await told_of(run, runs))


async def _outputs_reply(live: Live, run: Run, runs: Runs) -> ToolResult:
    """Return the outputs of a run of one cell, and beside them the cell as it is now, and what is told of the run."""
    step = run.steps[0]
    late = ["The outputs are no longer kept here; get_cell reads them."] if step.outputs is None else []  # a task's
    outputs = outputs_of(run) if run.over.is_set() else step.outputs or []
    shown = await in_brief(outputs, step.cell_id)
    beside: dict[str, Any] = {"execution_count": step.count}
    if not live.released and (at := live.find(step.cell_id)) is not None:  # people may have deleted it
        beside = {**asdict(live.address(at)), **beside}
    if not run.over.is_set():
        beside["run"] = brief_of(run, runs)
    return reply(
        outputs_reply(shown), reply_limit(streams=True), [*run.notices, *late], beside=beside, pictures=shown.pictures
    )
