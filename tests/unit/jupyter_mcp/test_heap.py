"""What a flood leaves free goes back to the system."""

from __future__ import annotations

import os
import subprocess
import sys

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


LARGE_ONES = """
import ctypes, os, sys
from jupyter_mcp.heap import Heap

names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Info = type("Info", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in names]})
info = getattr(ctypes.CDLL(None), "mallinfo2", None)
if info is None:
    sys.exit("no glibc of 2.33 or later")
info.restype = Info
if sys.argv[1] == "ours":
    Heap()
first = bytearray(20 << 20)
del first  # what glibc learns from
before = info().hblks
held = [bytes(1 << 20) for _ in range(10)]
print(info().hblks - before)
"""


@pytest.mark.parametrize(("who", "own"), [("ours", "10"), ("glibc", "0")])
def test_a_large_output_has_pages_of_its_own_also_after_a_larger_one(who: str, own: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", LARGE_ONES, who], env=environment, capture_output=True, text=True, check=False
    )
    if "no glibc" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.stdout.strip() == own, done.stderr
