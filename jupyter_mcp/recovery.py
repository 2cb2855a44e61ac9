"""Finishing, at start, the saves that a crash interrupted: store + journal -> document -> file.

Runs before any room exists, so upstream finds store and file in step and keeps the history;
clients that reconnect then bring nothing twice. Journals of rooms that are alive in another
server are left alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from logging import Logger
from pathlib import Path
from typing import Any

from jupyter_server.utils import ensure_async
from jupyter_ydoc import YNotebook
from pycrdt import Doc
from pycrdt.store import BaseYStore, YDocNotFound
from tornado.web import HTTPError

from .journal import Replay, claim, replay
from .merge import Notebook, UnmergeableError, fingerprint, merge, same
from .rescue import rescue

StoreFactory = Callable[[str], BaseYStore]
PathOf = Callable[[str], str | None]


async def recover(folder: Path, contents: Any, store_of: StoreFactory, path_of: PathOf, log: Logger) -> None:
    """Finish every journal in `folder`; one that can't be finished stays, as `.failed`, and is logged.

    `path_of` gives the present path of a file id: the notebook may have been renamed.
    """
    for file in sorted(folder.glob("*.journal")):  # noqa: ASYNC240 - nothing else runs on this loop
        held = claim(file)
        if held is None:
            continue
        try:
            await _recover_file(file, contents, store_of, path_of, log)
        except Exception:  # boundary: one bad journal must not keep the server down
            log.exception("Could not recover %s; it is kept as .failed", file.name)
            file.rename(file.with_suffix(".failed"))
        else:
            file.unlink()
        finally:
            os.close(held)


async def _recover_file(file: Path, contents: Any, store_of: StoreFactory, path_of: PathOf, log: Logger) -> None:
    found = replay(file)
    if found is None:
        return
    path = path_of(found.header.room_id.rsplit(":", 1)[-1]) or found.header.path
    found = replace(found, header=replace(found.header, path=path))
    await _finish(found, contents, store_of, log)


async def _finish(found: Replay, contents: Any, store_of: StoreFactory, log: Logger) -> None:
    path = found.header.path
    doc = found.document()
    notebook = YNotebook(doc)
    final, saved = notebook.get(), YNotebook(found.document(found.saved.updates)).get()
    try:
        model = await _read(contents, path)
    except HTTPError:
        if not found.intents:
            raise
        # The crash cut a save short, and with it the file.
        model = {"content": None}
    if model is None:
        if not same(final, saved):
            await rescue(contents, path, final, log)
        return
    theirs: Notebook | None = model["content"]
    if theirs is not None and not same(final, theirs) and not _is_ours(found, model, saved):
        try:
            merged = merge(saved, final, theirs)
        except UnmergeableError:
            if not same(final, saved):
                await rescue(contents, path, final, log)
            return
        notebook.set(merged.content)
        final = notebook.get()
        if not same(final, theirs):
            log.warning("%s changed on disk after a crash; unsaved edits were merged into it", path)
    if theirs is None or not same(final, theirs):
        log.warning("Recovered unsaved edits of %s", path)
        await ensure_async(contents.save({"type": "notebook", "format": "json", "content": final}, path))
    # Also when the file holds everything: the store is written later, and tabs may have seen what it lacks.
    await _bring_store_in_step(found, doc, store_of)


async def _read(contents: Any, path: str) -> dict[str, Any] | None:
    try:
        model: dict[str, Any] = await ensure_async(contents.get(path, type="notebook", content=True))
    except HTTPError as error:
        if error.status_code != HTTPStatus.NOT_FOUND:
            raise
        return None
    return model


def _is_ours(found: Replay, model: dict[str, Any], saved: Notebook) -> bool:
    """Tell whether the file is as the room loaded or saved it, also by a save that the crash cut from its note."""
    if str(model["last_modified"]) == found.saved.modified:
        return True
    theirs = fingerprint(model["content"])
    return theirs in {found.saved.fingerprint, fingerprint(saved), *found.intents}


async def _bring_store_in_step(found: Replay, doc: Doc[Any], store_of: StoreFactory) -> None:
    """Give the store the updates it missed, under the history that clients already hold."""
    store = store_of(found.header.room_id)
    async with store:
        stored: Doc[Any] = Doc()
        # Not found: the crash came before the room's first write; the full state is added below.
        with contextlib.suppress(YDocNotFound):
            await store.apply_updates(stored)
        await store.write(doc.get_update(stored.get_state()))
