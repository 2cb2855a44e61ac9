"""Saving, when the server stops, what people typed into rooms that no agent has joined.

Upstream cancels its delayed save then, and the file would lack the last second of typing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from logging import Logger
from typing import Any

from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_server_ydoc.utils import OutOfBandChanges  # type: ignore[import-untyped]

from .collaboration import Model, cancel_save, loader_of, model_of, save_is_due
from .rescue import rescue


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
