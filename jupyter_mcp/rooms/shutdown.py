"""The people in the rooms when the server stops: their tabs are let go, and what they typed is saved.

Upstream cancels its delayed save then, and a file would lack the last second of typing. It also
leaves the tabs connected, and then the process never ends: anyio lets its worker threads go when
the request that first needed one has ended, and that is often a tab's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable
from logging import Logger
from typing import Any

from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_server_ydoc.utils import OutOfBandChanges  # type: ignore[import-untyped]
from pycrdt.websocket import YRoom
from tornado.websocket import WebSocketHandler

from .batched_store import flush, keep
from .rescue import rescue
from .ydoc_private import Model, cancel_save, loader_of, model_of, save_is_due

WORKERS_WITHIN = 5.0  # seconds until what still runs is cancelled
_WORKER = "AnyIO worker thread"
_REQUEST = "RequestHandler._execute"  # Tornado's task of a request
CLOSED_WITHIN = 6.0  # seconds; Tornado cuts off a tab that has not answered its closing after 5
GOING_AWAY = 1001  # RFC 6455, section 7.4.1; tabs reconnect after it


async def dismiss(rooms: Collection[YRoom]) -> None:
    """Close the tabs' connections; returns when they are closed and the rooms' stores are at rest."""
    deadline = asyncio.get_running_loop().time() + CLOSED_WITHIN
    tabs = [(room, client) for room in rooms for client in room.clients if isinstance(client, WebSocketHandler)]
    for _, tab in tabs:
        tab.close(GOING_AWAY, "The server stops")
    while any(tab in room.clients for room, tab in tabs) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # upstream tells nobody
    for room in rooms:
        await flush(room)


def save_due(rooms: Iterable[Any], contents: Any, log: Logger) -> list[asyncio.Task[None]]:
    """Begin to save every room in which a save is due; content is taken before this returns.

    Upstream stops its rooms concurrently: what is awaited first would find them stopped.
    """
    due = [room for room in rooms if isinstance(room, DocumentRoom) and save_is_due(room)]
    for room in due:
        # Else it may begin to write, which empties the file first, when the process is about to end.
        cancel_save(room)
    return [asyncio.create_task(_save(room, model_of(room), contents, log)) for room in due]


async def _save(room: DocumentRoom, model: Model, contents: Any, log: Logger) -> None:
    loader = loader_of(room)
    keeping = asyncio.create_task(keep(room))
    path = loader.path
    try:
        await loader.maybe_save_content(model)
    except OutOfBandChanges:
        if model["type"] == "notebook":
            await rescue(contents, path, model["content"], log)
        else:
            log.warning("%s was changed outside while the server stopped; the last edits are not saved", path)
    except Exception:  # boundary: any contents manager may raise anything, and the other rooms must be saved
        log.exception("%s could not be saved while the server stopped", path)
    await keeping


async def workers_end() -> None:
    """Wait until AnyIO's worker threads have ended; requests that still need one after WORKERS_WITHIN are cancelled.

    A thread ends with the task that first needed one. Upstream lets the loop stop in the middle of a page's request or
    save; the thread then waits for ever, and the process with it. Called from a task that needed none itself.
    """
    for cancel in (False, True):
        if cancel:
            for task in asyncio.all_tasks():
                if getattr(task.get_coro(), "__qualname__", "") == _REQUEST:
                    task.cancel()
        deadline = asyncio.get_running_loop().time() + WORKERS_WITHIN
        while asyncio.get_running_loop().time() < deadline:
            if not any(thread.name == _WORKER for thread in threading.enumerate()):
                return
            await asyncio.sleep(0.02)
