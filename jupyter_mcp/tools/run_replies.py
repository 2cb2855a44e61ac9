"""What is told of runs: small, the same for programs and for models, and with the call to make next."""

from __future__ import annotations

from typing import Any

from fastmcp.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field

from jupyter_mcp.errors import ExecutionTimeoutError
from jupyter_mcp.kernels.runs import Run, Runs, State, Step

from .brief import CELL, LISTED, in_brief
from .waiting import what_it_does

MOST_CELLS = 40  # cells of a run that are told one by one


class CellRun(BaseModel):
    """How one cell of a run did."""

    model_config = ConfigDict(extra="allow")

    state: str = Field(description="queued, running, done, error, interrupted or skipped")
    id: str | None = None


class RunReply(BaseModel):
    """A run: its state, and that of its cells."""

    model_config = ConfigDict(extra="allow")

    run: str = Field(description="Its id, for get_run and stop_run")
    state: str = Field(description="queued, running, done, error or interrupted")
    path: str
    cells: list[CellRun] = []


def brief_of(run: Run, runs: Runs) -> dict[str, Any]:
    """Return the run's id, its state and what to call next, without its outputs."""
    told: dict[str, Any] = {"run": run.id, "state": str(run.state), "seconds": round(run.seconds, 1)}
    if run.over.is_set():
        if run.stopped_for is not None:
            told["stopped"] = run.stopped_for
    else:
        told["now"] = what_it_does(run, runs)
        if run.state is State.QUEUED:
            told["place"] = len(runs.ahead_of(run)) + 1
        told["next"] = _next(run)
    if run.notices:
        told["notices"] = list(dict.fromkeys(run.notices))
    return told


def _next(run: Run) -> str:
    """Return what can be done with a run that is not over."""
    if run.ignored.is_set():
        return (
            f"The kernel ignores the interrupt. restart_kernel ends the cell, and all variables with it; "
            f"get_run(run_id={run.id!r}) waits on."
        )
    return (
        f"It goes on by itself, and its outputs go into the notebook. get_run(run_id={run.id!r}) waits for it, "
        f"stop_run(run_id={run.id!r}) interrupts it."
    )


def still_ignored(run: Run) -> ExecutionTimeoutError:
    """Return the error that tells that a run was interrupted and goes on."""
    step = run.current
    if run.waits_for is not None or step is None:
        return ExecutionTimeoutError(
            f"It {run.stopped_for}, but has not begun: its code waits in the kernel behind {run.waits_for}, and is "
            f"interrupted as soon as it begins. Look at run {run.id} with get_run."
        )
    return ExecutionTimeoutError(
        f"It {run.stopped_for}; the kernel was interrupted, but has not obeyed: the cell still runs, as run {run.id}. "
        "get_run waits for it; stop_run interrupts again; restart_kernel ends it, with all the kernel's variables."
    )


async def told_of(run: Run, runs: Runs) -> dict[str, Any]:
    """Return all that is told of a run: its cells with their outputs in brief."""
    shown = _shown(run.steps)
    cells = [await _cell(step) for step in shown]
    told = {**brief_of(run, runs), "path": run.path, "by": run.by, "cells": cells}
    if len(shown) < len(run.steps):
        rest = [step for step in run.steps if step not in shown]
        counts = {str(state): sum(step.state is state for step in rest) for state in State}
        told["not_shown"] = {state: count for state, count in counts.items() if count}
    return told


def _shown(steps: list[Step]) -> list[Step]:
    """Return the steps that are told one by one: what failed and what runs, then the last ones that ended."""
    if len(steps) <= MOST_CELLS:
        return steps
    telling = [step for step in steps if step.state in (State.ERROR, State.INTERRUPTED, State.RUNNING)][:MOST_CELLS]
    ended = [step for step in steps if step.state is State.DONE]
    chosen = {id(step) for step in [*telling, *ended[-(MOST_CELLS - len(telling)) or len(ended) :]]}
    return [step for step in steps if id(step) in chosen]


async def _cell(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"id": step.cell_id} if step.cell_id else {}
    told["state"] = str(step.state)
    if step.count is not None:
        told["count"] = step.count
    if step.seconds is not None:
        told["seconds"] = round(step.seconds, 2)
    if step.fault is not None:
        told["error"] = fault_of(step.fault)
    outputs = step.outputs
    if outputs is None:
        told["outputs"] = "no longer kept here; get_cell reads them"
    elif outputs:
        told["outputs"] = (await in_brief(outputs, step.cell_id, LISTED if step.cell_id else CELL)).text()
    return told


def fault_of(error: BaseException) -> str:
    """Return what a client is told of why a cell could not be run."""
    if isinstance(error, ToolError):
        return str(error)
    return f"A fault in this server ({type(error).__name__}); its log tells more."
