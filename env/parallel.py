"""Do the same work with many items in several threads; an interrupt ends it at once, whatever a thread waits for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

GRACE_S = 0.5
"""Seconds that are left to the threads for tidying up once the work is to end."""
T = TypeVar("T")
R = TypeVar("R")


def each(
    work: Callable[[T], R],
    items: Sequence[T],
    *,
    threads: int,
    stop: threading.Event,
    wake: Callable[[], None] = lambda: None,
) -> list[R]:
    """Return what `work` returns for each item, in their order.

    The first that fails ends the others, as does an interrupt: `stop` is set, and `wake` called to end what they wait
    for. Who does not come back in time is left behind: nothing can end a look-up of a name or a connection half-made,
    and these last up to half a minute. The threads are daemons, so that the process need not wait for them either.

    Raises:
        BaseException: what the first of them raised.

    """
    waiting = deque(enumerate(items))
    finished: SimpleQueue[tuple[int, R] | BaseException] = SimpleQueue()

    def run() -> None:
        while not stop.is_set():
            try:
                number, item = waiting.popleft()
            except IndexError:
                return
            try:
                finished.put((number, work(item)))
            except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again in the main one
                # In this order: what others then say of having been stopped must come after it.
                finished.put(error)
                stop.set()

    workers = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for worker in workers:
            worker.start()
        return _gathered(finished, len(items))
    except BaseException:
        stop.set()
        wake()
        _await(workers)
        raise


def _gathered(finished: SimpleQueue[tuple[int, R] | BaseException], count: int) -> list[R]:
    results: dict[int, R] = {}
    while len(results) < count:
        outcome = finished.get()
        if isinstance(outcome, BaseException):
            raise outcome
        results[outcome[0]] = outcome[1]
    return [results[number] for number in range(count)]


def _await(workers: Sequence[threading.Thread]) -> None:
    ends = time.monotonic() + GRACE_S
    for worker in workers:
        # The interrupt may have come before all were started.
        if worker.ident is not None:
            worker.join(max(0.0, ends - time.monotonic()))
