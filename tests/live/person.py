"""A person's side of a room: a real CRDT client on jupyter-collaboration's websocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets
from jupyter_ydoc import YNotebook
from pycrdt import (
    YMessageType,
    YSyncMessageType,
    create_sync_message,
    create_update_message,
    handle_sync_message,
)

from .conftest import Server


class Tab:
    """The two directions of one websocket: the room's updates in, the document's own out."""

    def __init__(self, socket: Any, document: YNotebook) -> None:
        self.synced = asyncio.Event()
        self._socket = socket
        self._ydoc = document.ydoc
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._applying = False

    def on_update(self, event: Any) -> None:
        if not self._applying:
            self._outgoing.put_nowait(create_update_message(event.update))

    async def read(self) -> None:
        async for message in self._socket:
            if not isinstance(message, bytes) or message[0] != YMessageType.SYNC:
                continue
            self._applying = True
            reply = handle_sync_message(message[1:], self._ydoc)
            self._applying = False
            if reply is not None:
                await self._socket.send(reply)
            if message[1] == YSyncMessageType.SYNC_STEP2:
                self.synced.set()

    async def write(self) -> None:
        while True:
            await self._socket.send(await self._outgoing.get())


@asynccontextmanager
async def connected(server: Server, path: str) -> AsyncIterator[Any]:
    """Open a websocket to the notebook's room, as a tab does."""
    async with httpx.AsyncClient(headers=server.headers) as client:
        reply = await client.put(
            f"{server.url}api/collaboration/session/{path}",
            json={"format": "json", "type": "notebook"},
        )
    session = reply.raise_for_status().json()
    room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
    url = f"{server.url.replace('http', 'ws', 1)}api/collaboration/room/{room}"
    async with websockets.connect(url, additional_headers=server.headers) as socket:
        yield socket


@asynccontextmanager
async def in_room(server: Server, path: str, document: YNotebook) -> AsyncIterator[YNotebook]:
    """Connect `document` to the notebook's room; give it when it holds the room's content.

    Passing a document of before a restart is what a browser tab does when it reconnects.
    """
    async with connected(server, path) as socket:
        tab = Tab(socket, document)
        subscription = document.ydoc.observe(tab.on_update)
        await socket.send(create_sync_message(document.ydoc))
        tasks = [asyncio.create_task(tab.read()), asyncio.create_task(tab.write())]
        try:
            await asyncio.wait_for(tab.synced.wait(), 60)
            yield document
        finally:
            document.ydoc.unobserve(subscription)
            for task in tasks:
                task.cancel()
