"""What jupyter-server-ydoc 3.0.4 keeps private and rooms can't be shared without.

The only module that reads upstream's underscored attributes, so that a new version is checked here
and nowhere else. Upstream has no public way to wait for a load, to save now, or to close a room.
"""
# ruff: noqa: SLF001 - see above

from __future__ import annotations

import asyncio
from typing import cast

from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from jupyter_server_ydoc.loaders import FileLoader  # type: ignore[import-untyped]
from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook


def room_lock(extension: YDocExtension, room_id: str) -> asyncio.Lock:
    """Give the lock under which upstream makes, fills and deletes the room."""
    return cast("asyncio.Lock", extension._room_locks[room_id])


def document_of(room: DocumentRoom) -> YNotebook:
    """Give the room's shared notebook itself, not a copy."""
    return cast("YNotebook", room._document)


def loader_of(room: DocumentRoom) -> FileLoader:
    """Give the room's side of its file."""
    return room._file


async def loaded(room: DocumentRoom) -> None:
    """Wait until a room that loads progressively holds the whole file."""
    if room._document_load_progressively and not room._document_progressively_loaded.done():
        await room._document_progressively_loaded


def save_now(room: DocumentRoom) -> asyncio.Task[None] | None:
    """Start writing the file; None while upstream itself writes to the document."""
    return cast("asyncio.Task[None] | None", room._save_to_disc())
