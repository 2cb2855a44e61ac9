"""A person with the notebook open: a CRDT client on jupyter-collaboration's websocket.

Every subject is measured with one viewer in the room. It is also what proves that an edit took place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import websockets
from jupyter_ydoc import YNotebook
from pycrdt import YMessageType, YSyncMessageType, create_sync_message, handle_sync_message

from .server import Server

SYNCED_WITHIN = 60.0  # seconds


@asynccontextmanager
async def watching(server: Server, path: str) -> AsyncIterator[YNotebook]:
    """Open the notebook's room as a browser does; give the replica, kept in step."""
    headers = {"Authorization": f"token {server.token}"}
    async with httpx.AsyncClient(headers=headers, timeout=SYNCED_WITHIN) as client:
        reply = await client.put(
            f"{server.url}api/collaboration/session/{path}", json={"format": "json", "type": "notebook"}
        )
    session = reply.raise_for_status().json()
    room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
    url = f"{server.url.replace('http', 'ws', 1)}api/collaboration/room/{room}"
    document = YNotebook()
    synced = asyncio.Event()

    async def read(socket: websockets.ClientConnection) -> None:
        with suppress(websockets.ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes) and message[0] == YMessageType.SYNC:
                    if answer := handle_sync_message(message[1:], document.ydoc):
                        await socket.send(answer)
                    if message[1] == YSyncMessageType.SYNC_STEP2:
                        synced.set()

    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
        await socket.send(create_sync_message(document.ydoc))
        reading = asyncio.create_task(read(socket))
        try:
            await asyncio.wait_for(synced.wait(), SYNCED_WITHIN)
            yield document
        finally:
            reading.cancel()
