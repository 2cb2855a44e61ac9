"""Work in several threads, and how it ends when some of it fails or waits for what never comes."""

from __future__ import annotations

import threading

import pytest

from env.parallel import each


def test_what_each_item_came_to_is_returned_in_their_order() -> None:
    first = threading.Event()

    def square(number: int) -> int:
        if number == 1:
            first.wait()
        else:
            first.set()
        return number * number

    assert each(square, [1, 2, 3], threads=2, stop=threading.Event()) == [1, 4, 9]
    assert each(square, [], threads=2, stop=threading.Event()) == []


def test_the_first_failure_wakes_the_others_and_nothing_new_is_begun() -> None:
    stop, woken, waits = threading.Event(), threading.Event(), threading.Event()
    begun: list[str] = []
    tidied: list[str] = []

    def work(item: str) -> None:
        begun.append(item)
        if item == "waits":
            waits.set()
            woken.wait()
            tidied.append(item)
        else:
            waits.wait()
            raise ValueError(item)

    with pytest.raises(ValueError, match="fails"):
        each(work, ["waits", "fails", "never"], threads=2, stop=stop, wake=woken.set)
    assert stop.is_set()
    assert begun == ["waits", "fails"]
    assert tidied == ["waits"]


def test_who_can_not_be_woken_is_left_behind() -> None:
    for_ever = threading.Event()

    def work(item: str) -> None:
        if item == "deaf":
            for_ever.wait()
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            each(work, ["deaf", "interrupted"], threads=2, stop=threading.Event())
    finally:
        for_ever.set()
