"""Finishing the saves that a crash interrupted: journal -> document -> file and store.

Runs before a room of the notebook exists, so upstream finds store and file in step and keeps the
history; clients that reconnect then bring nothing twice. Journals of rooms that are alive in another
server are left alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from http import HTTPStatus
from logging import Logger
from pathlib import Path
from typing import Any

from jupyter_server.utils import ensure_async
from jupyter_ydoc import YNotebook
from pycrdt import Doc
from pycrdt.store import BaseYStore, YDocNotFound
from tornado.web import HTTPError

from jupyter_mcp.errors import FATAL

from .batched_store import load_from, write_to
from .content_check import sound
from .journal import claim
from .journal_frames import Header, Replay, read_all, replay
from .loaders import read_notebook
from .merge import Notebook, UnmergeableError, fingerprint, merge, same
from .rescue import keep_bytes, rescue
from .snapshot import read
from .twins import without_twins

StoreFactory = Callable[[str], BaseYStore]
PathOf = Callable[[Header], str | None]

SET_ASIDE = ".failed"


class HeldError(Exception):
    """A room that lives, of another server or of one that is about to end, holds the journal."""


class UnreadableJournalError(ValueError):
    """What the file has is no journal, or one that makes no document."""


async def recover(file: Path, contents: Any, store_of: StoreFactory, path_of: PathOf, log: Logger) -> bool:
    """Finish one journal and delete it; return False if it is not ours to finish.

    `path_of` gives the present path of the notebook, None if it is not below this server's root. One that can't
    be read is set aside as `.failed`. Raises HeldError, and whatever else stands in the way: the journal is to be
    tried again.
    """
    held = claim(file)
    if held is None:
        if file.exists():  # noqa: ASYNC240 - nothing else runs on this loop
            raise HeldError
        return False  # another server finished it
    try:
        try:
            found, doc = _parse(held)
        except UnreadableJournalError as error:
            log.error("%s can't be read (%s); it is kept as %s", file, error, SET_ASIDE)  # noqa: TRY400 - no trace
            file.rename(file.with_suffix(SET_ASIDE))  # noqa: ASYNC240 - nothing else runs on this loop
            return True
        if found is not None:
            path = path_of(found.header)
            if path is None:
                return False
            store = store_of(found.header.room_id)
            async with store:
                stored = await _stored(store, doc)
                if await _finish(path, found, doc, contents, log):
                    # Also when the file holds everything: the store is written later, and tabs may have seen what it
                    # lacks.
                    await write_to(store, doc.get_update(stored))
        file.unlink()  # noqa: ASYNC240 - nothing else runs on this loop
    finally:
        os.close(held)
    return True


def _parse(held: int) -> tuple[Replay | None, Doc[Any]]:
    """Read a journal; None, and nothing, if it is empty. Raises UnreadableJournalError."""
    data = read_all(held)
    if not data.strip(b"\0"):
        return None, Doc()  # the disk was full: nothing of it was acknowledged
    try:
        found = replay(data)
        if found is not None:
            doc = found.document()
            _read(doc)
            return found, doc
    except FATAL:
        raise
    except BaseException as error:  # pycrdt panics with one that is no Exception
        raise UnreadableJournalError(f"{type(error).__name__}: {error}") from error
    raise UnreadableJournalError("its first frame is torn")


async def _stored(store: BaseYStore, doc: Doc[Any]) -> bytes:
    """Add to the document what the store has and the journal lacks; return what the store has, as a state vector.

    While a journal can't be written, a person's edits and the outputs of runs go on: they are in the store, in the
    file and in pages. Taken from the file alone they would be new cells, which come a second time with the pages.
    """
    stored: Doc[Any] = Doc()
    # Not found: the crash came before the room's first write.
    with contextlib.suppress(YDocNotFound):
        await load_from(store, stored)
        # Once more, on top of the journal: a store that lacks an update has later ones that wait for it, and pycrdt
        # 0.14 may end the process when it is asked for all of a document in which something waits.
        await load_from(store, doc)
    return stored.get_state()


async def _finish(path: str, found: Replay, doc: Doc[Any], contents: Any, log: Logger) -> bool:
    """Bring document and file together; return False if they can't be. Raises what the contents manager raises."""
    final = _read(doc)
    theirs, digest = await _their_version(path, found, contents, log)
    if theirs is None and digest is None:
        if not same(final, _saved(found)):
            await rescue(contents, path, final, log)
        return False
    if theirs is not None and not same(final, theirs) and not _is_ours(found, theirs, digest):
        try:
            merged = merge(_saved(found), final, theirs)
        except UnmergeableError:
            if not same(final, _saved(found)):
                await rescue(contents, path, final, log)
            return False
        YNotebook(doc).set(sound(merged.content))
        final = _read(doc)
        if not same(final, theirs):
            log.warning("%s changed on disk after a crash; unsaved edits were merged into it", path)
    if theirs is None or not same(final, theirs):
        log.warning("Recovered unsaved edits of %s", path)
        await ensure_async(contents.save({"type": "notebook", "format": "json", "content": final}, path))
    return True


async def _their_version(path: str, found: Replay, contents: Any, log: Logger) -> tuple[Notebook | None, str | None]:
    """Return the file's content and digest: no content if it is torn, neither if it was deleted. Raises HTTPError."""
    try:
        model = await read_notebook(contents, path, log)
    except HTTPError as error:
        folder = path.rpartition("/")[0]
        if error.status_code == HTTPStatus.NOT_FOUND:
            if await ensure_async(contents.dir_exists(folder)):
                return None, None
            raise  # the folder was renamed, or is not mounted
        if error.status_code != HTTPStatus.BAD_REQUEST or not found.intents:
            raise
        # The crash cut a save short, and with it the file; somebody may have written it since.
        await keep_bytes(contents, path, log)
        return None, ""
    return model["content"], str(model.get("hash") or "")


def _saved(found: Replay) -> Notebook:
    return _read(found.document(found.saved.updates))


def _read(doc: Doc[Any]) -> Notebook:
    notebook = YNotebook(doc)
    without_twins(notebook)
    return read(notebook)


def _is_ours(found: Replay, theirs: Notebook, digest: str | None) -> bool:
    """Return whether the file is as the room loaded or saved it, also by a save that the crash cut from its note."""
    if digest and digest == found.saved.digest:
        return True
    its = fingerprint(theirs)
    return its in {found.saved.fingerprint, *found.intents} or its == fingerprint(_saved(found))
