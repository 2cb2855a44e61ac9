"""SIGTERM reaches Jupyter Server's handler between the loop's callbacks, never within a write to the log."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_mcp.stop_signal import take_between_callbacks


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def asked_to_stop_while_it_writes() -> list[str]:
    """Return what happened, in order, where SIGTERM comes in the middle of a write."""
    happened: list[str] = []
    stopped = asyncio.Event()

    def handler(number: int, frame: Any) -> None:
        happened.append(f"stop {number}")
        stopped.set()

    async def serve() -> None:
        assert take_between_callbacks()
        happened.append("write begins")
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(1000))  # a handler of Python's own would run here
        happened.append("write ends")
        await asyncio.wait_for(stopped.wait(), 30)

    signal.signal(signal.SIGTERM, handler)
    asyncio.run(serve())
    return happened


def test_a_stop_that_comes_within_a_write_waits_for_its_end() -> None:
    assert asked_to_stop_while_it_writes() == ["write begins", "write ends", f"stop {signal.SIGTERM.value}"]


@pytest.mark.parametrize("none", [signal.SIG_DFL, signal.SIG_IGN])
def test_where_no_handler_is_installed_nothing_is_changed(none: signal.Handlers) -> None:
    async def take() -> bool:
        return take_between_callbacks()

    signal.signal(signal.SIGTERM, none)
    assert not asyncio.run(take())
    assert signal.getsignal(signal.SIGTERM) == none


def test_off_the_main_thread_nothing_is_changed() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    handler = signal.getsignal(signal.SIGTERM)

    async def take() -> bool:
        return await asyncio.to_thread(lambda: asyncio.run(within()))

    async def within() -> bool:
        return take_between_callbacks()

    assert not asyncio.run(take())
    assert signal.getsignal(signal.SIGTERM) is handler
