"""Attempts are made again while they bring something, a few times more when they don't, and never for ever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from env.errors import NoNetworkError
from env.retry import Patience, Stopped, TryAgain, may_pass, retry_after


class Clock(threading.Event):
    """A stop signal that notes how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        return self.is_set()


class Download:
    """A file that comes in pieces, each an attempt that fails; a negative piece throws away what came."""

    def __init__(self, *pieces: int) -> None:
        self.pieces = list(pieces)
        self.size = 0
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        if not self.pieces:
            return "done"
        piece = self.pieces.pop(0)
        self.size = 0 if piece < 0 else self.size + piece
        raise TryAgain(NoNetworkError("it"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_works_at_once_is_not_waited_for(clock: Clock) -> None:
    assert Patience(clock).keep_trying(lambda: 7) == 7
    assert clock.waited == []


def test_a_bad_line_gets_a_file_through_in_any_number_of_pieces(clock: Clock) -> None:
    download = Download(*[1] * 50)
    assert Patience(clock).keep_trying(download, lambda: download.size) == "done"
    assert set(clock.waited) == {0.5}


def test_a_dead_line_is_given_up_after_five_attempts_that_wait_longer_each_time(clock: Clock) -> None:
    download = Download(*[0] * 50)
    with pytest.raises(NoNetworkError):
        Patience(clock).keep_trying(download, lambda: download.size)
    assert (download.attempts, clock.waited) == (5, [0.5, 1, 2, 4])


def test_a_server_that_sends_the_same_wrong_bytes_again_is_given_up(clock: Clock) -> None:
    # Half of it, the other half and the discovery that it is another file, and all over again.
    download = Download(*[50, -1] * 100)
    with pytest.raises(NoNetworkError):
        Patience(clock).keep_trying(download, lambda: download.size)
    assert download.attempts == 5


def test_what_was_there_before_is_no_progress(clock: Clock) -> None:
    download = Download(*[0] * 50)
    download.size = 100
    with pytest.raises(NoNetworkError):
        Patience(clock).keep_trying(download, lambda: download.size)
    assert download.attempts == 5


def test_a_wait_that_the_server_asks_for_is_kept_up_to_half_a_minute(clock: Clock) -> None:
    asked = [3.0, 3600.0]

    def attempt() -> str:
        if asked:
            raise TryAgain(NoNetworkError("it"), asked.pop(0))
        return "done"

    assert Patience(clock).keep_trying(attempt) == "done"
    assert clock.waited == [3, 30]


def test_a_stop_ends_the_wait(clock: Clock) -> None:
    def attempt() -> None:
        clock.set()
        raise TryAgain(NoNetworkError("it"))

    with pytest.raises(Stopped):
        Patience(clock).keep_trying(attempt)
    assert len(clock.waited) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", None),
    ],
)
def test_what_a_server_asks_to_wait_is_a_count_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_a_date_to_come_is_waited_for() -> None:
    then = datetime.now(UTC) + timedelta(seconds=100)
    found = retry_after(format_datetime(then, usegmt=True))
    assert found is not None
    assert 0 < found <= 100


@pytest.mark.parametrize(("status", "passes"), [(200, False), (404, False), (408, True), (429, True), (503, True)])
def test_another_attempt_is_made_where_the_fault_may_pass(status: int, passes: bool) -> None:
    assert may_pass(status) is passes
