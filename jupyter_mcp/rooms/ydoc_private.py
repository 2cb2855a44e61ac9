"""What jupyter-server-ydoc 3.0 and 3.1 keep private and rooms can't be shared without.

The only module that reads upstream's underscored attributes, so that a new version is checked here
and nowhere else. Upstream has no public way to wait for a load, to save now, or to stand between a
room and its file.
"""
# ruff: noqa: SLF001 - see above

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Literal, cast

from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from jupyter_server_ydoc.loaders import FileLoader  # type: ignore[import-untyped]
from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook
from pycrdt.store import BaseYStore
from tornado.routing import Rule, RuleRouter

OBSERVED_WITHIN = 10.0  # seconds; a room that was stopped never begins
SETTLED_WITHIN = 60.0  # seconds; of a large notebook that is replaced by its file

Model = dict[str, Any]
Save = Callable[[Model], Awaitable[Model | None]]


def room_lock(extension: YDocExtension, room_id: str) -> asyncio.Lock:
    """Return the lock under which upstream makes, fills and deletes the room."""
    return cast("asyncio.Lock", extension._room_locks[room_id])


def document_of(room: DocumentRoom) -> YNotebook:
    """Return the room's shared notebook itself, not a copy."""
    return cast("YNotebook", room._document)


def loader_of(room: DocumentRoom) -> FileLoader:
    """Return the room's side of its file."""
    return room._file


def loader_lock(loader: FileLoader) -> asyncio.Lock:
    """Return the lock that upstream holds while it reads or writes the file.

    Jupyter's contents manager truncates a file before it writes it: who reads meanwhile reads nothing.
    """
    return cast("asyncio.Lock", loader._lock)


def contents_of(loader: FileLoader) -> Any:
    """Return the contents manager that a loader reads and writes with."""
    return loader._contents_manager


def is_stopped(room: DocumentRoom) -> bool:
    """Return whether the room was stopped: it hands on nothing any more, and never will again."""
    return bool(room._stopped.is_set())


class OwnedLock(asyncio.Lock):
    """A lock that the task which has it may take again.

    jupyter-server-ydoc 3.1 holds its lock while it saves, and in a save we take it ourselves to merge.
    """

    _owner: asyncio.Task[Any] | None = None
    _again = 0

    def mine(self) -> bool:
        """Return whether the current task has it."""
        return self.locked() and self._owner is asyncio.current_task()

    async def acquire(self) -> Literal[True]:
        """Take the lock, or take it once more."""
        if self.mine():
            self._again += 1
            return True
        await super().acquire()
        self._owner = asyncio.current_task()
        return True

    def release(self) -> None:
        """Release it; the last time lets others have it."""
        if self._again:
            self._again -= 1
            return
        self._owner = None
        super().release()


def update_lock(room: DocumentRoom) -> asyncio.Lock:
    """Return the lock that upstream holds while it writes into the document itself.

    Until it is released, upstream's transaction may be open across awaits: an edit would join it
    and not be committed, and no save would be scheduled for it.
    """
    return cast("asyncio.Lock", room._update_lock)


async def loaded(room: DocumentRoom) -> None:
    """Wait until a room holds the whole file, and hands on what is done to it.

    It begins to observe its document a turn of the loop after it is ready; what is done before reaches neither
    its clients nor its store. Raises TimeoutError if the room is stopped meanwhile.
    """
    await asyncio.wait_for(room.ydoc_observed.wait(), OBSERVED_WITHIN)
    if room._document_load_progressively and not room._document_progressively_loaded.done():
        await asyncio.shield(room._document_progressively_loaded)


async def settled(room: DocumentRoom) -> None:
    """Wait until upstream is not writing; good until the next await. Raises TimeoutError."""
    lock = update_lock(room)
    while lock.locked() and not (isinstance(lock, OwnedLock) and lock.mine()):
        async with asyncio.timeout(SETTLED_WITHIN), lock:
            pass


def save_now(room: DocumentRoom) -> asyncio.Task[None] | None:
    """Start writing the file; None while upstream itself writes to the document."""
    return cast("asyncio.Task[None] | None", room._save_to_disc())


def save_to_the_end(room: DocumentRoom) -> asyncio.Task[None] | None:
    """Start writing the file, and let no later edit cancel it; None while upstream itself writes to the document.

    Upstream's saves wait for a pause: while several agents edit, there is none.
    """
    saving = save_now(room)
    if saving is not None:
        room._saving_document = None  # an edit schedules a save of its own, and cancels what it finds here
    return saving


def save_is_due(room: DocumentRoom) -> bool:
    """Return whether an edit is not yet in the file."""
    return room._saving_document is not None and not room._saving_document.done()


def cancel_save(room: DocumentRoom) -> None:
    """Cancel the delayed save; one that is writing already goes on to its end."""
    if room._saving_document is not None:
        room._saving_document.cancel()


def model_of(room: DocumentRoom) -> Model:
    """Return the room's content as a contents manager saves it."""
    return {"format": room._file_format, "type": room._file_type, "content": room._document.get()}


def stand_between(room: DocumentRoom, save: Callable[[Save], Save], changed: Callable[[], Awaitable[None]]) -> None:
    """Put `save` around the writing of the file, and `changed` in place of reading it over the document.

    Upstream replaces the document by the file's content when somebody else wrote the file, and so
    drops what was not saved yet.
    """
    if not isinstance(room._update_lock, OwnedLock):
        room._update_lock = OwnedLock()  # nobody has the old one: the room is settled
    loader = loader_of(room)
    # Of its class: what stood there for an earlier room is gone with it.
    loader.maybe_save_content = save(type(loader).maybe_save_content.__get__(loader))
    loader.observe(room.room_id, changed, room._on_filepath_change)


async def read_file(room: DocumentRoom, kind: tuple[str, str]) -> Model:
    """Read the room's file, of `kind` (format, type), to take it in; upstream may then save over it again."""
    loader = loader_of(room)
    model: Model = await loader.load_content(*kind)
    # jupyter-server-ydoc 3.1 refuses every save until what changed outside was taken in.
    acknowledge = getattr(loader, "acknowledge_reload", None)
    if acknowledge is not None:
        await acknowledge()
    return model


def use_store(extension: YDocExtension, application: Any, store: type[BaseYStore]) -> int:
    """Have every room keep its history in this class; return how many handlers of pages make rooms with it.

    Upstream's handlers were given the class when they were made: a room that a page opens first would keep the old one.
    """
    extension.ystore_class = store
    extension.ywebsocket_server.ystore_class = store
    given = [options for options in _options(application.default_router.rules) if "ystore_class" in options]
    for options in given:
        options["ystore_class"] = store
    return len(given)


def _options(rules: Iterable[Rule]) -> Iterator[dict[str, Any]]:
    for rule in rules:
        if isinstance(rule.target, RuleRouter):
            yield from _options(rule.target.rules)
        yield rule.target_kwargs


def raise_errors(store: Any) -> None:
    """Have an SQLite store raise what it could not read or write: pycrdt-store 0.1 logs it and goes on."""
    database = getattr(store, "_db", None)
    if database is not None and hasattr(database, "_exception_handler"):
        database._exception_handler = None
