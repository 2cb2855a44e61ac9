"""Try again what a network or a server refused for the moment, for a while and never for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from env.errors import EnvError

LONGEST_WAIT_S = 30.0
"""Seconds that are waited at most before an attempt, whatever a server asks for."""
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_SERVER_ERROR = 500
T = TypeVar("T")


class TryAgain(Exception):  # noqa: N818 - not yet an error: it becomes `why` when the attempts are used up
    """An attempt that failed in a way that another may not."""

    def __init__(self, why: EnvError, wait_s: float | None = None) -> None:
        super().__init__(str(why))
        self.why = why
        self.wait_s = wait_s


class Stopped(Exception):  # noqa: N818 - not an error: the person asked for it, or another part of the work failed
    """The work was told to stop."""


@dataclass(frozen=True)
class Patience:
    """How often something is attempted, and how long is waited in between: twice as long each time."""

    stop: threading.Event
    attempts: int = 5
    first_wait_s: float = 0.5

    def keep_trying(self, attempt: Callable[[], T], brought: Callable[[], int] = lambda: 0) -> T:
        """Return what `attempt` returns, the first time that it does not raise `TryAgain`.

        `brought` tells how many bytes the attempts have brought. One that brought more than any before is no failure,
        so that a large file gets through over a bad line; a server that sends the same wrong bytes again gets no
        further.

        Raises:
            EnvError: why the last attempt failed.
            Stopped: told to stop.

        """
        failures, most = 0, brought()
        while True:
            try:
                return attempt()
            except TryAgain as again:
                now = brought()
                failures = 1 if now > most else failures + 1
                most = max(most, now)
                if failures >= self.attempts:
                    raise again.why from None
                wait_s = self.first_wait_s * 2 ** (failures - 1) if again.wait_s is None else again.wait_s
                if self.stop.wait(min(wait_s, LONGEST_WAIT_S)):
                    raise Stopped from None


def may_pass(status: int) -> bool:
    """Return whether another attempt may go better after this HTTP status (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4)."""
    return status in _PASSING or status >= _SERVER_ERROR


def retry_after(value: str) -> float | None:
    """Return the seconds that a server asks to wait by ``Retry-After``: a count, or a date (RFC 9110, 10.2.3)."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
