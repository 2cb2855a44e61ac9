"""`jupyter mcp stdio`: the bridge as a program."""

from __future__ import annotations

import os
import signal
import sys
import threading

from .bridge import Bridge
from .errors import NoServerError, RefusedError
from .servers import Server, for_folder, for_url, look


def serve(url: str | None, folder: str) -> int:
    """Pass messages on between standard input and output and the server, until the input ends."""

    def find() -> Server:
        return for_url(url) if url else for_folder(folder)

    server = find()
    if url:
        _check(server)
    say(f"{server.url}" + (f", on {server.root}" if server.root else ""))
    out, writing = sys.stdout.buffer, threading.Lock()

    def write(line: bytes) -> None:
        try:
            with writing:
                out.write(line)
                out.flush()
        except OSError:
            os.kill(os.getpid(), signal.SIGTERM)  # the client is gone, and threads may be waiting for the server

    bridge = Bridge(server, find, write, say)
    for line in iter(sys.stdin.buffer.readline, b""):
        bridge.feed(line)
    bridge.close()
    return 0


def _check(server: Server) -> None:
    """Say at the start what is wrong with an address. Raises NoServerError or RefusedError."""
    found = look(server)
    if found is None:
        raise NoServerError(f"No Jupyter server answers at {server.url}. Start it, or look with `jupyter mcp list`.")
    if not found.mcp:
        if found.refused:
            raise RefusedError(
                f"{server.url}: {found.note}. Put its token into the variable JUPYTER_TOKEN, or its file's name into "
                "JUPYTER_TOKEN_FILE."
            )
        raise NoServerError(f"{server.url}: MCP can't be used: {found.note}.")


def say(text: str) -> None:
    """Tell people something, beside the protocol; hosts keep it in a log."""
    print(f"jupyter mcp: {text}", file=sys.stderr, flush=True)  # noqa: T201
