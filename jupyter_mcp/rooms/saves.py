"""Between a room and its file: saves are noted in the journal, outside changes are merged, failures are known."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from logging import Logger
from typing import Any

from jupyter_server_ydoc.utils import OutOfBandChanges  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from jupyter_mcp import metrics
from jupyter_mcp.errors import FATAL, SaveFailedError, why

from .cell_ids import ids_by_content, keeps_ids, nameless, names
from .journal_frames import Saved
from .live import Live
from .merge import Merged, Notebook, UnmergeableError, fingerprint, merge, same
from .rescue import rescue
from .snapshot import read, seen
from .ydoc_private import (
    Model,
    Save,
    loader_of,
    read_file,
    save_now,
    save_to_the_end,
    settled,
    stand_between,
    update_lock,
)

FORMAT, KIND = "json", "notebook"
_ATTEMPTS = 3  # saves of one version when somebody else keeps writing the file


class Saves:
    """Stands between one live room and its file.

    `base` is what document and file last had in common: an update of the whole document, or the
    notebook that was written.
    """

    def __init__(self, live: Live, base: bytes | Notebook, contents: Any, log: Logger) -> None:
        self._live = live
        self._base = base
        self._contents = contents
        self._log = log
        self._root: str | None = getattr(contents, "root_dir", None)
        self._upstream: Save
        self.failure: str | None = None
        self.saved_edits = live.edits
        stand_between(live.room, self._around, self._changed_outside)

    def _around(self, upstream: Save) -> Save:
        self._upstream = upstream
        return self._save

    async def _save(self, model: Model) -> Model | None:
        """Write the document's content, merged with what somebody else put into the file."""
        # An edit during upstream's copying has scheduled a save that cancels this one, if it can be: let it.
        await asyncio.sleep(0)
        await settled(self._live.room)
        # Of this moment, as the edits that are counted below: upstream lets others edit while it copies.
        model = {**model, "content": read(self._live.document)}
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return await self._write(model)
                except OutOfBandChanges:
                    theirs = await self._read()
                    async with update_lock(self._live.room):
                        content = self._merge_in(theirs)
                    model = {**model, "content": content}
            self._could_not("somebody else keeps writing the file")
        except FATAL:
            raise
        except BaseException as error:  # boundary: any contents manager may raise anything; upstream logs it
            reason = self._could_not(why(error, self._root))
            if not isinstance(error, Exception):
                raise SaveFailedError(f"{self._live.path!r} could not be saved: {reason}.") from error
            raise
        return None

    def _could_not(self, reason: str) -> str:
        metrics.SAVE_FAILURES.inc()
        self.failure = reason
        return reason

    async def _write(self, model: Model) -> Model | None:
        journal, content = self._live.journal, model["content"]
        # Of the content's moment: others may edit at the next await.
        print_of_content, updates, edits = fingerprint(content), journal.updates, self._live.edits
        rewritten = journal.rewritten
        loader = loader_of(self._live.room)
        if await loader.changed():
            # Before the note: recovery takes what can't be read, after a note, for our own write cut short.
            raise OutOfBandChanges
        with suppress(OSError):  # the journal is broken then; that keeps nothing from the file
            journal.saving(print_of_content)
        before = loader.writes
        saved = await self._upstream(model)
        # A save that is cancelled when it has begun goes on to its end, and gives None.
        if saved is None and loader.writes == before:
            self._could_not("the file is not writable")
            return None
        self._base, self.failure, self.saved_edits = content, None, edits
        with suppress(OSError):
            journal.saved(Saved(str(loader.last_modified), print_of_content, updates, loader.digest), rewritten)
        return saved

    async def _read(self) -> Notebook:
        model = await read_file(self._live.room, (FORMAT, KIND))
        return nameless(model["content"])

    def _merge_in(self, theirs: Notebook) -> Notebook:
        """Merge the file's content into the document; gives the document's new content."""
        document = self._live.document
        ours = read(document)
        try:
            merged = merge(self._base_content(), ours, theirs)
        except UnmergeableError:
            merged = Merged(theirs, ())
            if not same(ours, theirs) and not same(ours, self._base_content()):
                self._rescue_later(ours)
        if merged.conflicts:
            self._log.warning(
                "%s was changed outside: %d cells were changed on both sides; both versions are in the notebook",
                self._live.path,
                len(merged.conflicts),
            )
        if merged.content != ours:
            document.set(self._named(merged.content))
        self._base = theirs
        return read(document)

    def _named(self, content: Notebook) -> Notebook:
        """Return content for the document: where the format has no ids, cells that hold the same keep theirs."""
        if keeps_ids(content):
            return content
        ids = names(
            content["cells"], [None] * len(content["cells"]), ids_by_content(seen(self._live.document)["cells"])
        )
        return {**content, "cells": [{**cell, "id": name} for cell, name in zip(content["cells"], ids, strict=True)]}

    def _base_content(self) -> Notebook:
        if isinstance(self._base, bytes):
            doc: Doc[Any] = Doc()
            doc.apply_update(self._base)
            self._base = YNotebook(doc).get()
        return self._base

    def _rescue_later(self, ours: Notebook) -> None:
        task = asyncio.ensure_future(rescue(self._contents, self._live.path, ours, self._log))
        self._rescues.add(task)
        task.add_done_callback(self._rescues.discard)

    _rescues: set[asyncio.Task[str]] = set()  # noqa: RUF012 - of all rooms: they must outlive theirs

    async def _changed_outside(self) -> None:
        """Take in what somebody else wrote to the file; called by upstream's poll of it."""
        try:
            theirs = await self._read()
            async with update_lock(self._live.room):
                mine = self._merge_in(theirs)
                self._live.document.dirty = False
        except FATAL:
            raise
        except BaseException as error:  # noqa: BLE001 - boundary: any contents manager may raise anything
            reason = why(error, self._root)
            self._log.error(
                "%s was changed outside and can't be read (%s); it is not saved until it can", self._live.path, reason
            )
            self.failure = reason
            return
        if not same(mine, theirs):
            save_now(self._live.room)

    def _failed(self, why: str | None) -> None:
        self.failure = why

    @property
    def complete(self) -> bool:
        """Return whether the file holds every edit."""
        return self.saved_edits == self._live.edits

    async def finish(self) -> None:
        """Save now; raises SaveFailedError if the file does not hold every edit made until then."""
        wanted = self._live.edits
        for _ in range(_ATTEMPTS):
            await settled(self._live.room)
            self._failed(None)
            saving = save_to_the_end(self._live.room)
            if saving is not None:
                await asyncio.wait([saving])
            if self.saved_edits >= wanted:
                return
            if self.failure is not None:
                break
        why = self.failure or "others keep changing it; try again"
        raise SaveFailedError(f"{self._live.path!r} could not be saved: {why}. The room stays open.")
