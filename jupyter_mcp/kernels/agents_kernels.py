"""The kernels that agents started: how many there may be, and which nobody needs any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_mcp.errors import TooManyError

from .kernel import Kernel


@dataclass
class _Started:
    room_id: str
    asked: float = field(default_factory=time.monotonic)  # when a call or a page last had to do with it
    shared: bool = False  # a person ran something on it
    used: bool = False  # an agent ran something on it


class AgentsKernels:
    """Counts the kernels that agents started, and tells which are idle.

    A kernel with a page open, or on which a person has run something, is the person's: it neither counts nor ends.
    `limit` is the most at the same time; `idle` the seconds until one is not needed any more, 0 for never.
    """

    def __init__(self, limit: int, idle: float) -> None:
        self._limit = limit
        self._idle = idle
        self._kernels: dict[str, _Started] = {}
        self._coming = 0  # starts under way

    @contextmanager
    def place(self, sessions: list[dict[str, Any]], managers: Any) -> Iterator[None]:
        """Hold a place for one more while it starts. Raises TooManyError."""
        models = _models(sessions)
        count = sum(
            kernel_id in managers and not one.shared and not models.get(kernel_id, {}).get("connections")
            for kernel_id, one in self._kernels.items()
        )
        if count + self._coming >= self._limit:
            raise TooManyError(
                f"Agents have {self._limit} kernels on this server, the most that it allows "
                "(`JupyterMCP.max_kernels`), so none was started and nothing was run. Work in a notebook whose kernel "
                "runs, have a kernel that is not needed shut down, or try again later: idle ones end by themselves."
            )
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    def add(self, kernel_id: str, room_id: str) -> None:
        """Note a kernel that was started for a notebook."""
        self._kernels[kernel_id] = _Started(room_id)

    def count(self, managers: Any) -> int:
        """Return how many of them Jupyter still has."""
        return sum(kernel_id in managers for kernel_id in self._kernels)

    def room_of(self, kernel_id: str) -> str | None:
        """Return the room of the notebook that the kernel was started for, None if no agent started it."""
        started = self._kernels.get(kernel_id)
        return None if started is None else started.room_id

    def touched(self, kernel_id: str) -> str:
        """Note that a call is about to use the kernel, and return its id."""
        if started := self._kernels.get(kernel_id):
            started.asked = time.monotonic()
        return kernel_id

    def first_run(self, kernel_id: str) -> bool:
        """Tell, once, whether an agent started the kernel and no cell has run on it."""
        started = self._kernels.get(kernel_id)
        if started is None or started.used:
            return False
        started.used = True
        return not started.shared

    def share(self, kernel_id: str) -> None:
        """Note that a person ran something on the kernel."""
        if started := self._kernels.get(kernel_id):
            started.shared = True

    def idle(
        self, sessions: list[dict[str, Any]], managers: Any, connected: Callable[[str], Kernel | None]
    ) -> list[tuple[str, str]]:
        """Return kernel and room of each kernel that nobody needs; forget those that are gone."""
        models = _models(sessions)
        now = time.monotonic()
        found = []
        for kernel_id, started in list(self._kernels.items()):
            if kernel_id not in managers:
                del self._kernels[kernel_id]
                continue
            kernel, model = connected(kernel_id), models.get(kernel_id, {})
            if model.get("connections") or _works(kernel, model.get("execution_state")):
                started.asked = now
            started.shared = started.shared or (kernel is not None and kernel.foreign)
            used = max(started.asked, kernel.heard if kernel else 0.0)
            if self._idle and not started.shared and now - used >= self._idle:
                found.append((kernel_id, started.room_id))
        return found

    def ended(self, kernel_id: str) -> None:
        """Note that a kernel was ended."""
        self._kernels.pop(kernel_id, None)


def _models(sessions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["kernel"]["id"]: one["kernel"] for one in sessions if one["kernel"]}


def _works(kernel: Kernel | None, state: str | None) -> bool:
    if kernel is None:
        return state in ("busy", "starting")
    # Jupyter goes on calling a kernel "starting" whose first states it did not hear: it subscribed too late.
    return bool(kernel.runs) or not kernel.idle.is_set() or state == "busy"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"
