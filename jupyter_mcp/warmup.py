"""What FastMCP 4.1 imports only at its first call, imported before it: else that call pays half a second."""

from __future__ import annotations

import contextlib
import threading
from importlib import import_module

# The store of a session's state, with beartype behind it, what makes schemas flat, and parts of FastMCP itself.
_LATE = (
    "key_value.aio.adapters.pydantic",
    "key_value.aio.stores.memory",
    "jsonref",
    "fastmcp.server.providers.prefab_payload",
    "fastmcp.server.providers.prefab_synthesis",
)


def warm_up() -> threading.Thread:
    """Import in a thread, so that the server's start does not wait; gives the thread, started."""
    thread = threading.Thread(target=_import, name="jupyter_mcp warm-up", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    for name in _LATE:
        with contextlib.suppress(ImportError):  # another FastMCP may not need it
            import_module(name)
