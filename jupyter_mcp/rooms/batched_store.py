"""What jupyter-collaboration keeps of every update, written in batches.

Upstream starts one write for each update of a room; with its SQLite store that is six hops to a
worker thread each, on the loop that also answers the agents. Here a room's first update is written
at once, and what comes while that goes on, or within `EVERY` seconds, becomes one write.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server_ydoc.stores import SQLiteYStore as JupyterStore  # type: ignore[import-untyped]
from pycrdt import Doc, merge_updates
from pycrdt.store import BaseYStore, SQLiteYStore
from pycrdt.websocket import YRoom
from traitlets.config import LoggingConfigurable

from .owner_only import make_private

EVERY = 0.25  # seconds from the end of a write to the next
_SQUASHED = (SQLiteYStore, JupyterStore)  # a class made of them may compress, in a way of its own
_NOTHING: bytes = Doc[Any]().get_state()


class BatchedWrites(BaseYStore):
    """A mixin, to be put before the class of a store."""

    _batch: list[bytes]
    _stored: asyncio.Future[None] | None = None
    _writing: asyncio.Task[None] | None = None
    _wanted: asyncio.Event

    async def write(self, data: bytes) -> None:
        """Keep an update; returns when it is stored. Raises what the store raises."""
        if self._stored is None:
            self._batch, self._stored = [], asyncio.get_running_loop().create_future()
        self._batch.append(data)
        stored = self._stored
        if self._writing is None:
            self._wanted = asyncio.Event()
            # Of its own: upstream cancels a stopped room's tasks, and with them what is written.
            self._writing = asyncio.create_task(self._write_all())
        await asyncio.shield(stored)

    async def _write_all(self) -> None:
        try:
            while self._stored is not None:
                batch, stored, self._stored = self._batch, self._stored, None
                try:
                    await super().write(batch[0] if len(batch) == 1 else merge_updates(*batch))  # type: ignore[safe-super]
                except Exception as error:  # noqa: BLE001 - boundary: handed to who waits
                    stored.set_exception(error)
                else:
                    stored.set_result(None)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), EVERY)
        finally:
            self._writing = None

    async def apply_updates(self, ydoc: Doc[Any]) -> None:
        """Load the document, and keep what it held before. Raises YDocNotFound.

        Upstream's room notes its path in the document before anybody listens. A store without that has a gap
        at the start of all that this room's server does: pycrdt steps over it, but a browser (Yjs) waits for what
        is missing, and shows nothing that builds on the rest.
        """
        own = ydoc.get_update() if ydoc.get_state() != _NOTHING else None
        await super().apply_updates(ydoc)
        if own is not None:
            await self.write(own)

    async def start(self, *args: Any, **options: Any) -> None:
        """Start the store, in a file that only its owner reads: it has what was typed, and deleted since.

        SQLite gives its journals the mode of the file. Upstream lets the umask decide.
        """
        path = getattr(self, "db_path", None)
        if isinstance(path, str) and path != ":memory:":
            # What can't be made private can't be opened either, which the store itself tells.
            with suppress(OSError):
                make_private(Path(path))
        await super().start(*args, **options)

    async def flush(self) -> None:
        """Wait until everything is stored, without the pause between writes."""
        if self._writing is not None:
            self._wanted.set()
            await asyncio.wait([self._writing])


def batched(configured: type[BaseYStore], config: Any, *, kept: float = 0) -> type[BaseYStore]:
    """Return the configured store class with batched writes; it keeps its name, which upstream logs.

    `kept` is the history in seconds that an SQLite store keeps, 0 for all; what is older becomes one update, in which
    what was deleted is no more.
    """

    class Store(BatchedWrites, configured):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if issubclass(configured, LoggingConfigurable):
                kwargs.setdefault("config", config)
            super().__init__(*args, **kwargs)  # type: ignore[safe-super]
            if kept and configured in _SQUASHED and isinstance(self, SQLiteYStore):
                self.squash_history_older_than = math.ceil(kept)
                # pycrdt-store 0.1 makes one update of the old ones only where it decompresses them: else it loses them.
                self.register_compression_callbacks(bytes, bytes)

    Store.__name__ = configured.__name__
    Store.__qualname__ = configured.__qualname__
    return Store


async def flush(room: YRoom) -> None:
    """Wait until the room's store holds what it was given, and nothing of it is running.

    AnyIO ends a worker thread when the task that first needed it is done: a loop that stops before
    leaves a process that never ends.
    """
    if isinstance(room.ystore, BatchedWrites):
        await room.ystore.flush()


async def keep(room: YRoom, since: bytes | None = None) -> None:
    """Store what the room's document got after the state vector `since`.

    A room that upstream stops drops the updates it has not handed to its store yet. The file has
    them, and a room rebuilt from a file that its store is behind has another history: a tab that
    reconnects would bring the missing cells a second time.
    """
    if room.ystore is not None and room.ystore.started.is_set():
        await room.ystore.write(room.ydoc.get_update(since))
        await flush(room)


async def close(room: YRoom) -> None:
    """Close the store of a room that was deleted.

    Upstream leaves its database open until the room is collected as garbage; with pycrdt 0.14.0 it never is.
    """
    if room.ystore is not None:
        await flush(room)
        with suppress(Exception):  # any store, which may have been stopped with its room
            await room.ystore.stop()
