"""Tools for runs that go on by themselves: look, wait, stop."""

from __future__ import annotations

from fastmcp.tools import ToolResult

from jupyter_mcp.kernels.kernel_control import how_it_stopped
from jupyter_mcp.kernels.runs import Run
from jupyter_mcp.replies.replies import reply, schema

from .parameters import WAIT, Wait, hints
from .run_replies import RunReply, still_ignored, told_of
from .toolbox import Toolbox
from .waiting import waited

RunId = str  # the `run` of a reply
_LOOK = 2.0  # seconds beyond the grace in which the end, or that there is none, is known


def offer_run_tools(tools: Toolbox) -> None:
    """Offer the tools for runs."""
    server, runs = tools.server, tools.running.runs

    @server.tool(
        annotations=hints("Look at a run", reads=True, destroys=False, repeatable=True), output_schema=schema(RunReply)
    )
    async def get_run(run_id: RunId, wait: Wait = WAIT) -> ToolResult:
        """Wait for a run (`run` of a reply), anybody's; gives its state and outputs so far. `wait=0` only looks."""
        await tools.admit(("read", "contents"))
        run = runs.get(run_id)
        await waited(tools, run, wait, stops=False, ignored=False)
        return reply(await told_of(run, runs))

    @server.tool(
        annotations=hints("Stop a run", reads=False, destroys=True, repeatable=True), output_schema=schema(RunReply)
    )
    async def stop_run(run_id: RunId) -> ToolResult:
        """Interrupt a run, and say whether the kernel obeyed. What has not begun is not run."""
        agent = await tools.admit(("write", "kernels"))
        run = runs.get(run_id)
        told = await stop(tools, run, agent.name)
        return reply({**await told_of(run, runs), "outcome": told})


async def stop(tools: Toolbox, run: Run, by: str) -> str:
    """Stop a run, and say what became of it."""
    if run.over.is_set():
        return f"It had ended before: {run.state}."
    step = run.current
    run.stop(f"was stopped by {by}")
    await waited(tools, run, tools.running.grace + _LOOK)
    if not run.over.is_set():
        return str(still_ignored(run))
    return how_it_stopped(run, step)
