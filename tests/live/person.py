"""A person's side of a room: a real CRDT client on jupyter-collaboration's websocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def in_room(server: Server, path: str, document: YNotebook) -> AsyncIterator[YNotebook]:
    """Connect `document` to the notebook's room; give it when it holds the room's content.

    Passing a document of before a restart is what a browser tab does when it reconnects.
    """
    async with httpx.AsyncClient(headers=server.headers) as client:
        reply = await client.put(
            f"{server.url}api/collaboration/session/{path}",
            json={"format": "json", "type": "notebook"},
        )
    session = reply.raise_for_status().json()
    room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
    url = f"{server.url.replace('http', 'ws', 1)}api/collaboration/room/{room}"
    synced = asyncio.Event()
    ydoc = document.ydoc
    async with websockets.connect(url, additional_headers=server.headers) as socket:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        applying = False

        def on_update(event: object) -> None:
            if not applying:
                outgoing.put_nowait(create_update_message(event.update))  # type: ignore[attr-defined]

        async def read() -> None:
            nonlocal applying
            async for message in socket:
                if isinstance(message, bytes) and message[0] == YMessageType.SYNC:
                    applying = True
                    reply = handle_sync_message(message[1:], ydoc)
                    applying = False
                    if reply is not None:
                        await socket.send(reply)
                    if message[1] == YSyncMessageType.SYNC_STEP2:
                        synced.set()

        async def write() -> None:
            while True:
                await socket.send(await outgoing.get())

        subscription = ydoc.observe(on_update)
        await socket.send(create_sync_message(ydoc))
        tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
        try:
            await asyncio.wait_for(synced.wait(), 60)
            yield document
        finally:
            ydoc.unobserve(subscription)
            for task in tasks:
                task.cancel()
