"""Finishing, at start, the saves that a crash interrupted: store + journal -> document -> file.

Runs before any room exists, so upstream finds store and file in step and keeps the history;
clients that reconnect then bring nothing twice.
"""

from __future__ import annotations

import contextlib
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

from .journal import Replay, replay

StoreFactory = Callable[[str], BaseYStore]


async def recover(folder: Path, contents: Any, store_of: StoreFactory, log: Logger) -> None:
    """Finish every journal in `folder`; a journal that can't be finished stays and is logged."""
    for file in sorted(folder.glob("*.journal")):  # noqa: ASYNC240 - nothing else runs on this loop
        try:
            found = replay(file)
            if found is not None:
                await _finish(found, contents, store_of, log)
        except Exception:  # boundary: one bad journal must not keep the server down
            log.exception("Could not recover %s; it is kept", file.name)
            file.rename(file.with_suffix(".failed"))
        else:
            file.unlink()


async def _finish(found: Replay, contents: Any, store_of: StoreFactory, log: Logger) -> None:
    path = found.header.path
    try:
        model = await ensure_async(contents.get(path, type="notebook", content=True))
    except HTTPError as error:
        if error.status_code != HTTPStatus.NOT_FOUND:
            raise
        model = None
    doc: Doc[Any] = Doc()
    notebook = YNotebook(doc)
    ours = model is not None and str(model["last_modified"]) == found.saved_as
    for update in found.updates:
        doc.apply_update(update)
        if not ours and model is not None and notebook.get() == model["content"]:
            ours = True  # the crash came between our save and its note in the journal
    final = notebook.get()
    if model is not None and final == model["content"]:
        return
    if not ours:
        path = f"{path.removesuffix('.ipynb')}.recovered.ipynb"
        log.error("%s changed on disk after a crash; unsaved edits are in %s", found.header.path, path)
    else:
        log.warning("Recovered unsaved edits of %s", path)
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": final}, path))
    if ours:
        await _bring_store_in_step(found, doc, store_of)


async def _bring_store_in_step(found: Replay, doc: Doc[Any], store_of: StoreFactory) -> None:
    """Give the store the updates it missed, under the history that clients already hold."""
    store = store_of(found.header.room_id)
    async with store:
        stored: Doc[Any] = Doc()
        # Not found: the crash came before the room's first write; the full state is added below.
        with contextlib.suppress(YDocNotFound):
            await store.apply_updates(stored)
        await store.write(doc.get_update(stored.get_state()))
