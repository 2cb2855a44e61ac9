"""Memory that is free, and that the allocator keeps: given back to the system after a flood."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

GROWN = 32 << 20  # bytes since the last time; less is left to the allocator
_STATM = Path("/proc/self/statm")


class Heap:
    """Returns free memory to the system when the process has grown.

    glibc gives back only what is free at the end of its heap: after outputs of megabytes most of it is in between,
    and stays resident. Elsewhere nothing is done.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
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
