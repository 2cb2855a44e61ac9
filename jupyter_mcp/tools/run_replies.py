"""What is told of runs: small, the same for programs and for models, and with the call to make next."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jupyter_mcp.advice import all_of, either
from jupyter_mcp.errors import ExecutionTimeoutError
from jupyter_mcp.kernels.runs import Run, Runs, State, Step, fault_of
from jupyter_mcp.replies.brief import CELL, LISTED, in_brief

from .waiting import what_it_does

A_PERSON = "a restart of the kernel, for which a person can be asked,"
FEW_CELLS = 12  # a run of so many is told cell by cell
MOST_CELLS = 40  # cells of a longer one that are

_TELLING = (State.ERROR, State.INTERRUPTED, State.RUNNING)


class CellRun(BaseModel):
    """How one cell of a run did."""

    model_config = ConfigDict(extra="allow")

    state: str = Field(description="queued, running, done, error, interrupted or skipped")
    id: str | None = None


class RunReply(BaseModel):
    """A run: its state, and that of its cells."""

    model_config = ConfigDict(extra="allow")

    run: str = Field(description="Its id")
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
        ways = all_of(
            either("restart_kernel ends the cell, and all variables with it", f"{A_PERSON} ends the cell"),
            either(f"get_run(run_id={run.id!r}) waits on", "get_cell shows when it is over"),
            otherwise=f"{A_PERSON} ends it",
        )
        return f"The kernel ignores the interrupt. {_sentence(ways)}."
    ways = all_of(
        either(f"get_run(run_id={run.id!r}) waits for it", "get_cell shows its state and its outputs"),
        f"stop_run(run_id={run.id!r}) interrupts it",
        "execute_cell of another cell waits for it first",
        otherwise="the notebook shows them",
    )
    return f"It goes on by itself, and its outputs go into the notebook. {_sentence(ways)}."


def _sentence(text: str) -> str:
    """Return a text with a capital at its start, unless that is a name of a tool."""
    return text if "_" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def still_ignored(run: Run) -> ExecutionTimeoutError:
    """Return the error that tells that a run was interrupted and goes on."""
    step = run.current
    if run.waits_for is not None or step is None:
        look = _sentence(either(f"get_run shows run {run.id}", "get_cell shows it", "the notebook shows it"))
        return ExecutionTimeoutError(
            f"It {run.stopped_for}, but has not begun: its code waits in the kernel behind {run.waits_for}, and is "
            f"interrupted as soon as it begins. {look}."
        )
    return ExecutionTimeoutError(
        f"It {run.stopped_for}; the kernel was interrupted, but has not obeyed: the cell still runs, as run {run.id}. "
        + _sentence(
            all_of(
                either("get_run waits for it", "get_cell shows when it is over"),
                "stop_run interrupts again",
                either(
                    "restart_kernel ends it, with all the kernel's variables",
                    f"{A_PERSON} ends it, with all the kernel's variables",
                ),
                otherwise="",
            )
        )
        + "."
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
    """Return the steps that are told one by one: what failed and what runs, then the last ones that put something out.

    Of a long run most cells say nothing but that they ran.
    """
    if len(steps) <= FEW_CELLS:
        return steps
    telling = [step for step in steps if step.state in _TELLING][:MOST_CELLS]
    speaking = [step for step in steps if step.state is State.DONE and step.outputs != []]
    chosen = {id(step) for step in [*telling, *speaking[-(MOST_CELLS - len(telling)) or len(speaking) :]]}
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
