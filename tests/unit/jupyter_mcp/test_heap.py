"""What a flood leaves free goes back to the system."""

from __future__ import annotations

import pytest

from jupyter_mcp import heap
from jupyter_mcp.heap import GROWN, Heap


def test_memory_is_given_back_once_the_process_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    resident, trimmed = [100 << 20], []

    def trim(pad: int) -> None:
        trimmed.append(pad)
        resident[0] = 110 << 20

    monkeypatch.setattr(heap, "_resident", lambda: resident[0])
    one = Heap()
    one._trim = trim
    resident[0] += GROWN - 1
    one.give_back()
    assert not trimmed
    resident[0] += 1
    one.give_back()
    one.give_back()
    assert trimmed == [0]


def test_where_the_allocator_can_not_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Heap()
    one._trim = None
    monkeypatch.setattr(heap, "_resident", lambda: 1 << 40)
    one.give_back()


def test_the_process_knows_what_it_has() -> None:
    assert heap._resident() > 1 << 20
