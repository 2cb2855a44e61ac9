"""Running what a person has accepted and wants run: the code cells that an agent's change made or changed."""

from __future__ import annotations

import json
from typing import Any

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from mcp.types import TextContent

from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.steering.calls import Call
from jupyter_mcp.transport.auth import caller

from .parameters import WAIT
from .run_replies import told_of
from .toolbox import Toolbox
from .waiting import waited

_LEAST = 2.0  # seconds that a call waits for the run, however long it waited for the person


async def with_its_run(tools: Toolbox, path: str, done: ToolResult) -> ToolResult:
    """Return the reply of a change; with that of a run, if a person accepted the change so. The agent needs the right.

    The change is made: what hinders the run is told in the reply, and is no error of the call.
    """
    call = ACTOR.get()
    if not isinstance(call, Call) or not call.to_run:
        return done
    try:
        told = await _run(tools, path, call)
    except ToolError as error:
        told = {"state": "not run", "why": str(error)}
    structured = {**(done.structured_content or {}), "run": told}
    text = f"A person accepted the change and had it run: {json.dumps(told, ensure_ascii=False, default=str)}"
    return ToolResult(
        content=[*done.content, TextContent(type="text", text=text)], structured_content=structured, meta=done.meta
    )


async def _run(tools: Toolbox, path: str, call: Call) -> dict[str, Any]:
    await caller().require("execute", "kernels")
    live = await tools.notebooks.join(path)
    wanted, call.to_run = set(call.to_run), []
    ids = [cell_id for cell_id in live.ids() if cell_id in wanted]
    run = tools.running.begin(live, tools.running.cells(live, by=call.agent.name, ids=ids))
    await waited(tools, run, max(_LEAST, WAIT - call.waited), stops=True)
    return await told_of(run, tools.running.runs)
