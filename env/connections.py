"""The connections of an HTTP client, so that who waits on one for an answer can be woken."""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress
from typing import Any

import httpx


class Connections:
    """Those that a client's requests have opened: ``httpx.Client(event_hooks={"request": [connections.watch]})``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ended = False

    def watch(self, request: httpx.Request) -> None:
        """Learn of the connections that a request opens (the `trace` extension of httpx)."""
        request.extensions["trace"] = self._learn

    def end(self) -> None:
        """Shut them down, and those to come: whoever reads or writes gets an error at once."""
        with self._lock:
            self._ended = True
            known = list(self._open)
        for one in known:
            _shut(one)

    def _learn(self, event: str, info: dict[str, Any]) -> None:
        if not event.endswith(".complete"):
            return
        told = getattr(info.get("return_value"), "get_extra_info", None)
        # A connection that goes over to TLS is another object from then on.
        found = told("socket") if callable(told) else None
        if isinstance(found, socket.socket):
            with self._lock:
                self._open.add(found)
                ended = self._ended
            if ended:
                _shut(found)


def _shut(one: socket.socket) -> None:
    # Not the method of a TLS socket, which changes its state under who is reading from it.
    with suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)
