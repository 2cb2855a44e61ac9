"""Whether a cell runs or waits, how long, and who asked for it: of agents' runs and of what people run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kernels import Kernels
from .runs import OVER, Runs, State

Told = dict[str, Any]


class CellStates:
    """Tells the states of a notebook's cells."""

    def __init__(self, runs: Runs, kernels: Kernels) -> None:
        self._runs = runs
        self._kernels = kernels

    async def of(self, path: str, room_id: str, cells: Mapping[str, bool], *, ended: bool) -> dict[str, Told]:
        """Return the states of those cells that run or wait, or also that `ended` lately, by id.

        `cells` has with each id whether the cell says that it runs. It says so too when the page that ran it was closed
        meanwhile: it is believed while the kernel is busy.
        """
        found = {cell_id: told for cell_id in cells if (told := self._of(room_id, cell_id)) is not None}
        says = [cell_id for cell_id, running in cells.items() if running and not _active(found.get(cell_id))]
        busy = bool(says) and await self._kernels.busy(path)
        found = {cell_id: told for cell_id, told in found.items() if ended or _active(told)}
        if busy:
            return found | {cell_id: {"state": str(State.RUNNING), "by": "somebody else"} for cell_id in says}
        return {cell_id: {"state": "idle"} for cell_id in says} | found

    def _of(self, room_id: str, cell_id: str) -> Told | None:
        known = self._runs.of_cell(room_id, cell_id)
        if known is None:
            return None
        run, step = known
        told: Told = {"state": str(step.state), "by": run.by, "run": run.id}
        if step.seconds is not None:
            told["seconds"] = round(step.seconds, 1)
        if step.state is State.QUEUED:
            before = run.steps[: run.steps.index(step)]
            ahead = sum(one.state not in OVER for earlier in self._runs.ahead_of(run) for one in earlier.steps)
            told["place"] = ahead + sum(one.state not in OVER for one in before) + 1
        return told


def _active(told: Told | None) -> bool:
    return told is not None and told["state"] in (State.QUEUED, State.RUNNING)
