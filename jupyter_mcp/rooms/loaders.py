"""Every room's side of its file, people's rooms too: a file is known by its content, and read as a room can hold it.

Upstream takes a file for changed when its time stamp is newer. A copy with its old time (`cp -p`, `rsync -a`), an older
file moved there, a coarse clock or one that is set back are then overwritten. Here what was last read or written is
known by a hash of its bytes, and nothing else is ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

import nbformat
from jupyter_server.utils import ensure_async
from jupyter_server_ydoc.loaders import FileLoader, FileLoaderMapping  # type: ignore[import-untyped]
from jupyter_server_ydoc.utils import OutOfBandChanges  # type: ignore[import-untyped]
from tornado.web import HTTPError

from .cell_ids import CellIds
from .content_check import TooDeepError, sound, unsound
from .last_look import Known, OverwritesError, only_over
from .merge import Notebook
from .notebook_shape import check_format, check_shape, explained, unreadable, words
from .notebook_size import require_readable_size, too_large
from .ydoc_private import Model, contents_of, loader_lock

KIND = "notebook"
_COARSE_NS = 2_000_000_000  # the coarsest time stamps of file systems (FAT)
_NOT_OURS = "not ours"  # in place of a digest: of no file, and so the file is taken in
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)  # before any file's time: archives and resets bring 1970

Signature = tuple[object, ...]


class Recovered(Protocol):
    """What waits for a notebook's recovery."""

    async def __call__(self, file_id: str, path: str, *, room: bool = True) -> str | None:
        """Return why the file can't be loaded yet; `room` tells whether a room was filled with it before."""


class Guarded(FileLoader):  # type: ignore[misc]
    """A mixin over the class of a loader; its attributes have values here since loaders become such when they exist."""

    digest = ""  # of the bytes last read or written; empty: unknown, upstream's rules hold
    writes = 0  # that have come to their end
    before_loading: Recovered | None = None
    cell_ids = CellIds()
    _loaded = False  # into a room
    _torn = ""  # digest of what a write of ours left that failed
    _signature: Signature | None = None
    _settled = False  # the signature is older than the coarsest clock's tick
    _unreadable: Signature | None = None

    async def load_content(self, format: str, file_type: str) -> Model:  # noqa: A002 - upstream's name
        """Load the file, as a shared document can hold it. Raises HTTPError.

        Of a notebook that is not recovered from a crash yet, too: a room made of its file would be another document
        than the one that pages hold and the journal goes on with.
        """
        if file_type != KIND:
            other: Model = await super().load_content(format, file_type)
            return other
        if self.before_loading is not None:
            reason = await self.before_loading(self.file_id, self.path, room=self._loaded)
            if reason:
                raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE, f"{self.path} is not recovered yet: {reason}")
        async with loader_lock(self):
            path = self.path
            signature = self._sign(path)
            try:
                model = await read_notebook(contents_of(self), path, self._log)
                await self.cell_ids.name(contents_of(self), path, self.file_id, model)
            except HTTPError:
                self._unreadable = signature
                raise
            self.last_modified = model["last_modified"]
            self._now_known(str(model.get("hash") or ""), signature)
            self._loaded = True
            return model

    def _now_known(self, digest: str, signature: Signature | None) -> None:
        self.digest, self._torn, self._unreadable = digest, "", None
        self._signature, self._settled = signature, _is_settled(signature)

    def _sign(self, path: str) -> Signature | None:
        """Return what changes with each write; None if that can't be seen."""
        root = getattr(contents_of(self), "root_dir", None)
        if not root:
            return None
        try:
            found = os.stat(f"{root}/{path}")  # noqa: PTH116 - each second and notebook; a Path costs more
        except OSError:
            return None
        return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    async def changed(self, *, thoroughly: bool = True) -> bool:
        """Return whether the file is not what was last read or written. Raises what the contents manager raises.

        Notebooks that are no files of this machine have only their time stamp to go by, unless `thoroughly`.
        """
        async with self._writing, loader_lock(self):
            return await self._changed(thoroughly=thoroughly)

    @property
    def _writing(self) -> asyncio.Lock:
        """Held from a write of ours until it is known as ours: whoever looks in between would take it for others'."""
        lock: asyncio.Lock = self.__dict__.setdefault("_writing_lock", asyncio.Lock())
        return lock

    async def _changed(self, *, thoroughly: bool) -> bool:
        path = self.path
        signature = self._sign(path)
        as_known = signature is not None and signature == self._signature and self._settled
        if not self.digest or as_known:
            return False
        if signature is not None and too_large(int(str(signature[3]))):
            return True  # to hash it, Jupyter would read it
        contents = contents_of(self)
        if signature is None and not thoroughly:
            model = await ensure_async(contents.get(path, content=False, type=KIND))
            return bool(model["last_modified"] != self.last_modified)
        model = await ensure_async(contents.get(path, content=False, type=KIND, require_hash=True))
        digest = model.get("hash")
        if digest is None:
            return bool(model["last_modified"] != self.last_modified)
        if digest not in (self.digest, self._torn):
            return True
        self.last_modified = model["last_modified"]  # touched, or copied over itself
        self._signature, self._settled = signature, _is_settled(signature)
        return False

    async def maybe_save_content(self, model: Model) -> Model | None:
        """Save unless somebody else changed the file. Raises OutOfBandChanges."""
        if model["type"] != KIND or not self.digest:
            other: Model | None = await super().maybe_save_content(model)
            return other
        await self._writing.acquire()
        try:
            await self._require_unchanged()
            before = self.last_modified
            saved = await self._save_what_is_known(model)
            written = saved is not None or self.last_modified != before
            self.writes += written
        except OutOfBandChanges:
            self._writing.release()
            raise
        except BaseException as error:
            noting = self._noting(self._note_torn() if isinstance(error, Exception) else None)
            await asyncio.shield(noting)
            raise
        if not written:  # it may not be, or an edit cancelled this save and then its write failed
            await asyncio.shield(self._noting(self._note_torn()))
            return None
        # An edit cancels this save, also when the file is written: that the write is ours is noted all the same.
        await asyncio.shield(self._noting(self._note_write(model, saved)))
        return saved

    async def _save_what_is_known(self, model: Model) -> Model | None:
        """Save over the file that was just looked at, and over no other. Raises OutOfBandChanges."""
        at = self._signature
        known = None if at is None else Known(int(str(at[3])), int(str(at[4])), (self.digest, self._torn))
        try:
            with only_over(known, contents_of(self)):
                saved: Model | None = await super().maybe_save_content(model)
        except OverwritesError:
            raise OutOfBandChanges from None
        return saved

    async def _require_unchanged(self) -> None:
        async with loader_lock(self):
            if await self._changed(thoroughly=True):
                raise OutOfBandChanges

    def _noting(self, note: Coroutine[Any, Any, None] | None) -> asyncio.Task[None]:
        async def noted() -> None:
            try:
                if note is not None:
                    await note
            finally:
                self._writing.release()

        return asyncio.create_task(noted())

    async def _note_write(self, model: Model, saved: Model | None) -> None:
        signature = self._sign(self.path)
        # A save that is cancelled when it has begun goes on to its end, and gives None.
        digest = await self._hash() if saved is None else saved.get("hash")
        if await self._is_there(model["content"]):  # after the hash, or it would be of what came in between
            self._now_known(str(digest or ""), signature)
        else:
            self._now_known(_NOT_OURS, None)

    async def _is_there(self, content: Notebook) -> bool:
        """Return whether the file still is what was just saved, by the sources of its cells.

        A program that watches the folder (a formatter, a synchronizer) may change the file before Jupyter looks at it
        again: the hash that comes with a save is then that of the program's version.
        """
        if not self.path.endswith(".ipynb"):
            return True  # what other contents managers make of a notebook
        try:
            model = await ensure_async(contents_of(self).get(self.path, content=True, type="file", format="text"))
            return _sources(json.loads(model["content"])) == _sources(content)
        except (ValueError, KeyError, TypeError, RecursionError):
            return False  # it is being written
        except HTTPError:
            return True  # not to be had as text: the hash has to do

    async def _hash(self) -> str:
        model = await ensure_async(contents_of(self).get(self.path, content=False, type=KIND, require_hash=True))
        return str(model.get("hash") or "")

    async def _note_torn(self) -> None:
        """Know what a failed write left of the file: it is no change by others."""
        try:
            self._torn = await self._hash()
        except Exception as error:  # noqa: BLE001 - boundary: the failure that led here is the one to report
            self._log.debug("The file that could not be saved can't be read either: %s", error)

    async def maybe_notify(self) -> None:
        """Tell the rooms about a change by others, once; called each second."""
        if self.digest and isinstance(self.last_modified, datetime):
            async with self._writing, loader_lock(self):
                changed = await self._changed(thoroughly=False)
                seen = self._unreadable is not None and self._unreadable == self._sign(self.path)
                if changed and not seen:
                    self.last_modified = _LONG_AGO
                elif changed:
                    return  # it could not be read, and still is what it was then
        await super().maybe_notify()


def _is_settled(signature: Signature | None) -> bool:
    return signature is not None and abs(time.time_ns() - int(str(signature[-1]))) > _COARSE_NS


async def read_notebook(contents: Any, path: str, log: Any) -> Model:
    """Read a notebook with the hash of its bytes, and as a shared document can hold it. Raises HTTPError."""
    await require_readable_size(contents, path)
    try:
        model: Model = await ensure_async(contents.get(path, type=KIND, format="json", content=True, require_hash=True))
    except UnicodeEncodeError:
        model = await _read_text(contents, path)  # half of a surrogate pair: Jupyter can't sign what it can't encode
    except HTTPError as error:
        raise (await explained(contents, path, error)) from error
    except (
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:  # of who signs it
        raise (await explained(contents, path, unreadable(path, str(error)))) from error
    check_shape(path, model["content"])
    await check_format(contents, path, model["content"])
    try:
        if unsound(model["content"]):
            log.warning(
                "%s has numbers or text that no shared document holds (NaN, Infinity, integers past 64 bits, halves "
                "of surrogate pairs); they are replaced when it is saved",
                path,
            )
            model["content"] = sound(model["content"])
    except (TooDeepError, RecursionError) as error:
        raise unreadable(path, str(error)) from error
    return model


async def _read_text(contents: Any, path: str) -> Model:
    model: Model = await ensure_async(contents.get(path, type="file", format="text", content=True, require_hash=True))
    try:
        content = sound(json.loads(model["content"]))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, words(error)) from error
    try:
        read = nbformat.reads(json.dumps(content), as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # boundary: nbformat's, of any kind
        raise unreadable(path, words(error, content)) from error
    return {**model, "type": KIND, "format": "json", "content": read}


def _sources(content: Notebook) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


_CLASSES: dict[type[Any], type[Any]] = {}


def _guarded(kind: type[Any]) -> type[Any]:
    if kind not in _CLASSES:
        _CLASSES[kind] = type(f"Guarded{kind.__name__}", (Guarded,) if kind is FileLoader else (Guarded, kind), {})
    return _CLASSES[kind]


class GuardedLoaders(FileLoaderMapping):  # type: ignore[misc]
    """The loaders of a server, each guarded."""

    before_loading: Recovered | None = None
    cell_ids = CellIds()

    def __getitem__(self, file_id: str) -> FileLoader:
        """Return the loader of a file, made if there is none."""
        loader = super().__getitem__(file_id)
        if not isinstance(loader, Guarded):
            loader.__class__ = _guarded(type(loader))
            loader.before_loading = self.before_loading
            loader.cell_ids = self.cell_ids
            _know_folders(self.file_id_manager, loader.path)
        return loader


def _know_folders(file_ids: Any, path: str) -> None:
    """Have the folders of a file known, so that it is followed when one of them is renamed.

    jupyter-server-fileid's manager of any contents looks for what is below a folder only if the folder itself has an
    id: else a room would go on with a path at which nothing is, and be saved nowhere.
    """
    for at, character in enumerate(path):
        if character == "/" and file_ids.get_id(path[:at]) is None:
            file_ids.index(path[:at])


def guard(
    loaders: FileLoaderMapping,
    before_loading: Recovered | None = None,
    cell_ids: CellIds | None = None,
) -> None:
    """Guard all loaders that the server will make.

    `before_loading` is awaited with a file's id and path, and tells why the file can't be loaded yet; `cell_ids` names
    the cells that have no id in their file.
    """
    # Upstream's handlers hold this object: it can't be another one.
    loaders.__class__ = GuardedLoaders
    loaders.before_loading = before_loading
    loaders.cell_ids = cell_ids or CellIds()
