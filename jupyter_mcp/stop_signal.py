"""SIGTERM, taken by the event loop.

Jupyter Server logs in its signal handler. Python runs a handler wherever the main thread is, and where
that is writing to the log, the second write raises: the handler ends there, and the server goes on as
if nobody had asked it to stop.
"""

from __future__ import annotations

import asyncio
import signal
import sys


def take_between_callbacks() -> bool:
    """Have the event loop call the handler of SIGTERM that is installed; return whether it will.

    Call it in the loop. It is left as it is where there is no handler, off the main thread, and on Windows.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if sys.platform == "win32" or not callable(handler):
        return False
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handler, signal.SIGTERM, None)
    except (NotImplementedError, RuntimeError, ValueError):  # another loop, or another thread than the main one
        return False
    return True
