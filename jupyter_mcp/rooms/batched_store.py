"""What jupyter-collaboration keeps of every update, written in batches.

Upstream starts one write for each update of a room; with its SQLite store that is six hops to a
worker thread each, on the loop that also answers the agents. Here a room's first update is written
at once, and what comes while that goes on, or within `EVERY` seconds, becomes one write.

What the store can't take, as on a full disk, goes with the next write, and is tried again meanwhile. A store that
lacks an update and has later ones is worse than one that is behind: pycrdt steps over the gap, a browser (Yjs) waits
for what is missing, and shows nothing that builds on it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from logging import Logger, getLogger
from pathlib import Path
from typing import Any

from jupyter_server_ydoc.stores import SQLiteYStore as JupyterStore  # type: ignore[import-untyped]
from pycrdt import Doc, merge_updates
from pycrdt.store import BaseYStore, SQLiteYStore, YDocNotFound
from pycrdt.websocket import YRoom
from traitlets.config import LoggingConfigurable

from .owner_only import make_private
from .ydoc_private import raise_errors

EVERY = 0.25  # seconds from the end of a write to the next
AGAIN = 5.0  # seconds until what the store could not take is tried again
WITHIN = 60.0  # seconds that a store may take
_SQUASHED = (SQLiteYStore, JupyterStore)  # a class made of them may compress, in a way of its own
# Yjs' state vector of no client. Not asked of a document that is made here: who forks a process that has imported this
# would have forks whose documents take the same client ids, and their changes for each other's.
_NOTHING = b"\0"
_SHARE = 64  # updates that are merged at once


class BatchedWrites(BaseYStore):
    """A mixin, to be put before the class of a store."""

    fault: Exception | None = None  # why the store lacks what it was given last; None: it has everything
    _batch: list[bytes]
    _stored: asyncio.Future[None] | None = None
    _writing: asyncio.Task[None] | None = None
    _wanted: asyncio.Event
    _lacking: bytes | None = None  # what the store could not take yet

    async def write(self, data: bytes) -> None:
        """Keep an update; returns when it is stored, or when that failed: `fault` tells, and it is tried again.

        Raises nothing: upstream's room would stop handing on updates to its tabs.
        """
        if self._stored is None:
            self._batch, self._stored = [], asyncio.get_running_loop().create_future()
        self._batch.append(data)
        stored = self._stored
        self._begin()
        await asyncio.shield(stored)

    def _begin(self) -> None:
        if self._writing is None:
            self._wanted = asyncio.Event()
            # Of its own: upstream cancels a stopped room's tasks, and with them what is written.
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while True:
                stored, self._stored = self._stored, None
                batch = [] if stored is None else self._batch
                try:
                    await self._write_one(batch)
                finally:
                    if stored is not None:
                        stored.set_result(None)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), EVERY if self.fault is None else AGAIN)
                idle = self._stored is None  # set by write() meanwhile
                if idle and (self.fault is None or self._wanted.is_set() or self.stopped.is_set()):
                    return
        finally:
            self._writing = None

    async def _write_one(self, batch: list[bytes]) -> None:
        together = batch if self._lacking is None else [self._lacking, *batch]
        data = together[0] if len(together) == 1 else merge_updates(*together)
        try:
            await self._opened()
            # Upstream waits for ever for a database that could not be opened.
            await asyncio.wait_for(super().write(data), WITHIN)  # type: ignore[safe-super]
        except Exception as error:  # noqa: BLE001 - boundary: a store may raise anything
            if self.fault is None:
                _log(self).error(
                    "The history of a notebook can't be stored, which is tried again: %s", str(error) or repr(error)
                )
            self._lacking, self.fault = data, error
        else:
            if self.fault is not None:
                _log(self).warning("The history of a notebook is stored again; it lacks nothing")
            self._lacking = self.fault = None

    async def _opened(self) -> None:
        """Wait until the database is open, and have it raise what fails from then on. Raises TimeoutError."""
        opened = getattr(self, "db_initialized", None)  # an event once the store was started
        if opened is not None:
            await asyncio.wait_for(opened.wait(), WITHIN)
        raise_errors(self)

    async def apply_updates(self, ydoc: Doc[Any]) -> None:
        """Load the document, and keep what it held before. Raises YDocNotFound, and what a store that fails raises.

        Upstream's room notes its path in the document before anybody listens. A store without that has a gap
        at the start of all that this room's server does: pycrdt steps over it, but a browser (Yjs) waits for what
        is missing, and shows nothing that builds on the rest.
        """
        own = ydoc.get_update() if ydoc.get_state() != _NOTHING else None
        await self.load(ydoc)
        if own is not None:
            await self.write(own)

    async def load(self, ydoc: Doc[Any]) -> None:
        """Load the document, with one update. Raises YDocNotFound, and what a store that fails raises.

        Upstream applies one update after the other. Where one is missing, as earlier versions could leave it, later
        ones wait for it in the document, and pycrdt 0.14 may end the process when what they waited for comes.
        """
        await self._opened()
        updates = await asyncio.wait_for(self._updates(), WITHIN)
        if not updates:
            raise YDocNotFound
        ydoc.apply_update(merged(updates))

    async def _updates(self) -> list[bytes]:
        try:
            return [update async for update, *_ in self.read()]
        except YDocNotFound as error:
            # pycrdt-store 0.1 says that there is nothing also where nothing could be read.
            cause = error.__context__
            if isinstance(cause, Exception) and not isinstance(cause, YDocNotFound):
                raise cause from None
            raise

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
        """Wait until everything is stored, or could not be, without the pause between writes."""
        if self._lacking is not None:
            self._begin()
        if self._writing is not None:
            self._wanted.set()
            await asyncio.wait([self._writing])


def _log(ystore: BaseYStore) -> Logger:
    return getattr(ystore, "log", None) or getLogger(__name__)


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


def merged(updates: Sequence[bytes]) -> bytes:
    """Return one update of many; by shares, for the time that merging takes grows with the square of their number."""
    while len(updates) > 1:
        shares = (updates[at : at + _SHARE] for at in range(0, len(updates), _SHARE))
        updates = [merge_updates(*share) for share in shares]
    return updates[0]


async def load_from(ystore: BaseYStore, ydoc: Doc[Any]) -> None:
    """Load what is stored on top of what the document holds. Raises YDocNotFound, and what the store raises."""
    await (ystore.load(ydoc) if isinstance(ystore, BatchedWrites) else ystore.apply_updates(ydoc))


async def write_to(ystore: BaseYStore, update: bytes) -> None:
    """Write an update. Raises what the store raises."""
    await ystore.write(update)
    if isinstance(ystore, BatchedWrites):
        await ystore.flush()
        if ystore.fault is not None:
            raise ystore.fault


def in_step(room: YRoom) -> bool:
    """Return whether the room's store has all that it was given, as far as that is known."""
    return not isinstance(room.ystore, BatchedWrites) or room.ystore.fault is None


async def flush(room: YRoom) -> None:
    """Wait until the room's store holds what it was given, or can't, and nothing of it is running.

    AnyIO ends a worker thread when the task that first needed it is done: a loop that stops before
    leaves a process that never ends.
    """
    if isinstance(room.ystore, BatchedWrites):
        await room.ystore.flush()


async def keep(room: YRoom, since: bytes | None = None) -> None:
    """Store what the room's document got after the state vector `since`; `in_step` tells whether that was possible.

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
