"""Opening a room, within a bound, and with nothing left of one that could not be opened."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_server_ydoc.websocketserver import RoomNotFound  # type: ignore[import-untyped]

from jupyter_mcp.errors import FATAL, RoomUnavailableError

from .notebook_shape import reason
from .ydoc_private import is_stopped, loaded, room_lock

FORMAT, KIND = "json", "notebook"
OPENED_WITHIN = 180.0  # seconds; of a notebook with tens of thousands of cells, whose recovery comes first


async def open_room(extension: YDocExtension, path: str, room_id: str, root: str | None) -> tuple[DocumentRoom, bool]:
    """Return the notebook's room, filled, and whether it was made for this. Raises RoomUnavailableError."""
    rooms = extension.ywebsocket_server.rooms
    fresh = room_id not in rooms
    try:
        async with asyncio.timeout(OPENED_WITHIN):
            await extension.get_document(path=path, content_type=KIND, file_format=FORMAT, copy=False, create=True)
            room = rooms.get(room_id)
            if not isinstance(room, DocumentRoom):
                raise RoomUnavailableError(f"The room of {path!r} could not be opened; try again.")  # noqa: TRY301 - as the rest
            if not room.ready:
                # A browser's handshake adds the room first and fills it later, under this lock.
                async with room_lock(extension, room_id):
                    await room.initialize()
            await loaded(room)
    except RoomUnavailableError:
        raise
    except TimeoutError as error:
        await drop_empty(extension, room_id)
        raise RoomUnavailableError(f"The room of {path!r} was closed just now; try again.") from error
    except FATAL:
        await drop_empty(extension, room_id)
        raise
    except BaseException as error:  # boundary: of any notebook and any contents manager
        await drop_empty(extension, room_id)
        raise RoomUnavailableError(f"{path!r} can't be read: {reason(path, error, root)}.") from error
    return room, fresh


async def drop_empty(extension: YDocExtension, room_id: str) -> None:
    """Forget a room that did not open and has nobody in it: else all who come later would wait for it."""
    room = extension.ywebsocket_server.rooms.get(room_id)
    if not isinstance(room, DocumentRoom) or room.clients or (room.ready and not is_stopped(room)):
        return
    del extension.ywebsocket_server.rooms[room_id]
    with suppress(Exception):  # upstream may have stopped it already, or half of it
        await room.stop()
    file_id = room_id.rsplit(":", 1)[-1]
    loaders = extension.file_loaders
    if file_id in loaders and loaders[file_id].number_of_subscriptions == 0:
        await loaders.remove(file_id)


def forget_stopped(server: Any) -> None:
    """Make the collaboration's websocket server give nobody a room that was stopped.

    Upstream leaves a room that could not be filled where it is, stopped; whoever comes later, also when the file
    can be read again, is handed it and waits for ever.
    """
    exists, get = server.room_exists, server.get_room

    def gone(room_id: str) -> bool:
        room = server.rooms.get(room_id)
        if isinstance(room, DocumentRoom) and is_stopped(room) and not room.clients:
            del server.rooms[room_id]
        return room_id not in server.rooms

    def room_exists(room_id: str) -> bool:
        return not gone(room_id) and bool(exists(room_id))

    async def get_room(room_id: str) -> Any:
        if gone(room_id):
            raise RoomNotFound
        return await get(room_id)

    server.room_exists, server.get_room = room_exists, get_room
