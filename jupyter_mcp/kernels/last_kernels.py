"""Which kernel process a notebook's last run had, so that the next one can tell that it has another."""

from __future__ import annotations

from typing import Any

from .fate import Fate
from .kernel import Kernel

Process = tuple[str, Any]  # kernel id and process

_REMEMBERED = 1000  # notebooks, and kernels that went away


class LastKernels:
    """Remembers the kernel of each notebook's last run, by room id, which a rename keeps."""

    def __init__(self) -> None:
        self._last: dict[str, Process] = {}
        self._ends: dict[Process, str] = {}  # how a process went away
        self._untold: dict[str, str] = {}

    def went(self, kernel: Kernel, how: Fate | str | None) -> None:
        """Note what became of a kernel's process; what was noted first stays."""
        if how is not None:
            self._ends.setdefault((kernel.id, kernel.process), how.value if isinstance(how, Fate) else how)
            _bound(self._ends)

    def runs(self, room_id: str, kernel: Kernel, managers: Any, *, misses_runs: bool) -> None:
        """Note that the notebook's next run goes to this kernel.

        `misses_runs`: no cell has run on it, and the notebook shows earlier runs.
        """
        now = (kernel.id, kernel.process)
        before = self._last.pop(room_id, None)
        self._last[room_id] = now
        _bound(self._last)
        if before is None and misses_runs:
            self._tell(room_id, "no kernel of this notebook was running")
        elif before is not None and before != now:
            self._tell(room_id, f"the kernel of the last run here {self._end_of(before, now, managers)}")

    def _tell(self, room_id: str, why: str) -> None:
        self._untold[room_id] = (
            f"New kernel: earlier variables are gone, for {why}. Run again the cells that this one builds on."
        )
        _bound(self._untold)

    def _end_of(self, before: Process, now: Process, managers: Any) -> str:
        """Return how the earlier process went away, as far as that is known."""
        if (how := self._ends.get(before)) is not None:
            return how
        if before[0] == now[0]:
            return Fate.RESTARTED.value
        return "is no longer this notebook's" if before[0] in managers else Fate.SHUT_DOWN.value

    def notice(self, room_id: str) -> str | None:
        """Return, once, what there is to tell beside the outputs of a run; None for nothing."""
        return self._untold.pop(room_id, None)


def _bound(remembered: dict[Any, Any]) -> None:
    if len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
