"""The request bodies that are on their way: how many, how much, and how long they may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Arrivals:
    """Bodies that have begun and not ended; each must end within `within` seconds.

    Who begins one when `most` have begun makes the oldest one go: else some half-sent requests would keep everybody
    out, and an honest body is here in no time.
    """

    def __init__(self, *, most: int, within: float) -> None:
        self._most = most
        self._within = within
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def begin(self, cut: Callable[[], None]) -> None:
        """Note a body; `cut` ends it when it takes too long, or is in the way."""
        while len(self._timers) >= self._most:
            oldest = next(iter(self._timers))
            self.end(oldest)
            oldest()
        self._timers[cut] = asyncio.get_running_loop().call_later(self._within, self._late, cut)

    def _late(self, cut: Callable[[], None]) -> None:
        self.end(cut)
        cut()

    def end(self, cut: Callable[[], None]) -> None:
        """Forget a body that is here, or gone; one that is not known is none."""
        timer = self._timers.pop(cut, None)
        if timer is not None:
            timer.cancel()
