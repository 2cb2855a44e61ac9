"""Memory that is free goes back to the system: at once where it was large, and after a flood."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

GROWN = 32 << 20  # bytes since the last time; less is left to the allocator
LARGE = 256 << 10  # bytes of an allocation that has pages of its own
_M_MMAP_THRESHOLD = -3  # malloc.h of glibc
_STATM = Path("/proc/self/statm")


class Heap:
    """Returns free memory to the system, with glibc; elsewhere nothing is done.

    What is LARGE has pages of its own, which go back when it is freed. glibc begins so too, but then takes the size of
    what was freed, up to 32 MB, for what is not large: after a few outputs of megabytes all come from the heap, where
    what is free in between stays resident. That is given back when the process has grown.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        if self._trim is not None and "MALLOC_MMAP_THRESHOLD_" not in os.environ:  # who sets it knows why
            library.mallopt(_M_MMAP_THRESHOLD, LARGE)
        self._after = _resident()

    def give_back(self) -> None:
        """Have the allocator give back what is free, if the process has grown since the last time."""
        if self._trim is None or _resident() - self._after < GROWN:
            return
        self._trim(0)
        self._after = _resident()


def _resident() -> int:
    """Return the resident bytes of this process, 0 where that can't be told."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()
