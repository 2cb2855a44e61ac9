"""Of a long run only the cells are told that say something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jupyter_mcp.kernels.runs import State
from jupyter_mcp.tools.run_replies import FEW_CELLS, MOST_CELLS, _shown


def step(state: State = State.DONE, outputs: Any = ()) -> Any:
    return SimpleNamespace(state=state, outputs=list(outputs) if outputs is not None else None)


def test_a_short_run_is_told_cell_by_cell() -> None:
    steps = [step() for _ in range(FEW_CELLS)]
    assert _shown(steps) == steps


def test_of_a_long_run_quiet_cells_are_only_counted() -> None:
    loud, gone, wrong, waits = step(outputs=["x"]), step(outputs=None), step(State.ERROR), step(State.SKIPPED)
    steps = [step(), loud, *(step() for _ in range(60)), gone, wrong, waits]
    assert _shown(steps) == [loud, gone, wrong]


def test_of_many_loud_cells_the_last_are_told_and_all_that_failed() -> None:
    wrong = [step(State.ERROR) for _ in range(3)]
    loud = [step(outputs=[str(number)]) for number in range(100)]
    shown = _shown([*wrong, *loud])
    assert shown == [*wrong, *loud[-(MOST_CELLS - 3) :]]
    many = [step(State.ERROR) for _ in range(MOST_CELLS + 1)]
    assert _shown([*many, *loud]) == many[:MOST_CELLS]
