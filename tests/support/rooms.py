"""Rooms of jupyter-collaboration in this process: its own rooms on a folder, without a Jupyter server."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from jupyter_events import EventLogger
from jupyter_server_fileid.manager import ArbitraryFileIdManager
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.loaders import FileLoaderMapping
from jupyter_server_ydoc.stores import SQLiteYStore
from jupyter_server_ydoc.utils import EVENTS_SCHEMA_PATH
from jupyter_server_ydoc.websocketserver import JupyterWebsocketServer, exception_logger

from jupyter_mcp.rooms.loaders import guard
from jupyter_mcp.rooms.opening import forget_stopped
from jupyter_mcp.rooms.recoveries import Recoveries
from jupyter_mcp.rtc_adapter import Rooms

from .contents import Faults, FaultyContents

LOG = logging.getLogger("rooms")


class Collaboration:
    """What `YDocExtension` is to those who ask it for rooms; `get_document` is its own."""

    _room_locks: dict[str, asyncio.Lock]
    get_document = YDocExtension.get_document
    document_load_progressively = False
    notebook_output_delay_threshold_mb = 100
    behavior_on_external_change = "overwrite"  # jupyter-server-ydoc 3.1 asks for it

    def __init__(self, settings: dict[str, Any], folder: Path, poll: float | None, delay: float) -> None:
        class Store(SQLiteYStore):
            db_path = str(folder / "store.db")

        events = EventLogger()
        events.register_event_schema(EVENTS_SCHEMA_PATH)
        self._room_locks = defaultdict(asyncio.Lock)
        self.ystore_class = Store
        self.document_save_delay = delay
        self.log = LOG
        self.serverapp = SimpleNamespace(web_app=SimpleNamespace(settings=settings), event_logger=events)
        self.ywebsocket_server = JupyterWebsocketServer(
            rooms_ready=False, auto_clean_rooms=False, ystore_class=Store, exception_handler=exception_logger, log=LOG
        )
        self.file_loaders = FileLoaderMapping(settings, LOG, poll)


class Workshop:
    """A folder of notebooks, its rooms and what can go wrong with them."""

    def __init__(self, folder: Path, *, poll: float | None = None, delay: float = 0.01, fsync: bool = False) -> None:
        self.root, self.journals = folder / "root", folder / "journals"
        self.root.mkdir(exist_ok=True)
        self.faults = Faults()
        self.contents = FaultyContents(self.faults, root_dir=str(self.root))
        ids = ArbitraryFileIdManager(root_dir=str(self.root), db_path=str(folder / "ids.db"))
        self.settings: dict[str, Any] = {"contents_manager": self.contents, "file_id_manager": ids}
        self.collaboration = Collaboration(self.settings, folder, poll, delay)
        self.settings["jupyter_server_ydoc"] = self.collaboration
        self.rooms = Rooms(self.settings, self.journals, LOG, fsync=fsync, idle=600)
        self.recoveries = self.rooms.recoveries = Recoveries(
            self.journals,
            str(self.root),
            LOG,
            contents=lambda: FaultyContents(self.faults, root_dir=str(self.root)),
            store_of=lambda room_id: self.collaboration.ystore_class(path=f".notebook:{room_id.rsplit(':', 1)[-1]}.y"),
            present_path=ids.get_path,
        )
        guard(self.collaboration.file_loaders, self.recoveries.finished, self.rooms.cell_ids)
        forget_stopped(self.collaboration.ywebsocket_server)

    async def stop(self) -> None:
        await self.rooms.stop()
        for room in list(self.collaboration.ywebsocket_server.rooms.values()):
            await room.stop()
        await self.collaboration.file_loaders.clear()
        self.recoveries.stop()
        await asyncio.to_thread(self.recoveries._worker.shutdown)  # as a server's thread ends with it


@asynccontextmanager
async def workshop(folder: Path, **options: Any) -> AsyncIterator[Workshop]:
    """Open a folder's rooms, and close them at the end."""
    opened = Workshop(folder, **options)
    opened.recoveries.begin(10)
    server = asyncio.create_task(opened.collaboration.ywebsocket_server.start())
    await opened.collaboration.ywebsocket_server.started.wait()
    try:
        yield opened
    finally:
        await opened.stop()
        await opened.collaboration.ywebsocket_server.stop()
        server.cancel()
        await asyncio.wait([server])
        _close_streams()


def _close_streams() -> None:
    """Close what upstream leaves open of each room that it stops: its streams warn when they are collected."""
    for each in gc.get_objects():
        if type(each) in (MemoryObjectReceiveStream, MemoryObjectSendStream):
            each.close()
