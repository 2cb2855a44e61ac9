"""Download one file into the store: resumed, retried, and verified before it gets its name."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx

from env.errors import (
    DownloadCorruptError,
    DownloadRefusedError,
    NoNetworkError,
    PackageGoneError,
    StoreFullError,
)
from env.files import space_or
from env.index.sources import Located
from env.retry import Patience, Stopped, TryAgain, may_pass, retry_after
from env.store.store import CHUNK, Store

_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


@dataclass(frozen=True)
class Downloader:
    """What all downloads of one fetch share."""

    client: httpx.Client
    store: Store
    stop: threading.Event
    advance: Callable[[int], None]
    """Told of bytes gained; negative when some turned out to be no good."""
    held: set[Path] = field(default_factory=set)
    """The unfinished files that are locked by a download of ours."""

    def get(self, wanted: Located) -> None:
        """Bring one file into the store.

        Raises:
            Stopped: `stop` was set; what came so far is kept for the next run.
            EnvError: one of errors.py, by cause.

        """
        with _partial(self.store.partial / wanted.file.sha256, self.stop, self.held) as file:
            if _stored(self.store, wanted):
                self.advance(wanted.file.size)
                return
            with space_or(StoreFullError(self.store.root)):
                self._fill(wanted, file)
            self.store.adopt(Path(file.name), wanted.file.sha256)

    def forget_empty(self) -> None:
        """Remove what downloads that were left behind have not begun to fill; they write nothing more."""
        for path in tuple(self.held):
            with suppress(FileNotFoundError):
                if path.stat().st_size == 0:
                    path.unlink()

    def _fill(self, wanted: Located, file: io.FileIO) -> None:
        self.advance(file.seek(0, os.SEEK_END))
        Patience(self.stop).keep_trying(lambda: self._verify(wanted, file), file.tell)

    def _verify(self, wanted: Located, file: io.FileIO) -> None:
        # Of a size that the lock does not say, only the hash tells that all is there.
        if not wanted.file.size and file.tell() and _digest(file) == wanted.file.sha256:
            return
        if not wanted.file.size or file.tell() < wanted.file.size:
            self._receive(wanted, file)
        actual = _digest(file)
        if actual != wanted.file.sha256:
            self._discard(file)
            raise TryAgain(DownloadCorruptError(wanted.file.name, wanted.file.sha256, actual))

    def _receive(self, wanted: Located, file: io.FileIO) -> None:
        if wanted.url.startswith("file:"):
            self._copy(wanted, file)
            return
        offset = file.tell()
        # The bytes as they are stored: a content coding would make ranges and digests those of something else.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        try:
            with self.client.stream("GET", wanted.url, headers=headers) as response:
                self._judge(wanted, response)
                if offset and not _continues(response, offset):
                    self._discard(file)
                if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise TryAgain(DownloadRefusedError(wanted.file.name, response.status_code))
                # In the pieces they come in: httpx would drop the unfinished one when the connection breaks.
                for chunk in response.iter_raw():
                    if self.stop.is_set():
                        raise Stopped
                    _write(file, chunk)
                    self.advance(len(chunk))
                    if wanted.file.size and file.tell() > wanted.file.size:
                        self._discard(file)
                        raise TryAgain(DownloadCorruptError(wanted.file.name, wanted.file.sha256))
        except httpx.TransportError:
            raise TryAgain(NoNetworkError(f"the server of {wanted.file.name}")) from None
        if file.tell() < wanted.file.size:
            raise TryAgain(NoNetworkError(f"the server of {wanted.file.name}"))

    def _copy(self, wanted: Located, file: io.FileIO) -> None:
        self._discard(file)
        try:
            with Path(url2pathname(urlsplit(wanted.url).path)).open("rb") as source:
                while chunk := source.read(CHUNK):
                    _write(file, chunk)
                    self.advance(len(chunk))
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            raise PackageGoneError(wanted.file.name, wanted.file.version, wanted.target, wanted.command) from None

    def _judge(self, wanted: Located, response: httpx.Response) -> None:
        status = response.status_code
        if status in _GONE:
            raise PackageGoneError(wanted.file.name, wanted.file.version, wanted.target, wanted.command)
        if may_pass(status):
            after = retry_after(response.headers.get("Retry-After", ""))
            raise TryAgain(DownloadRefusedError(wanted.file.name, status), after)
        if not response.is_success and status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise DownloadRefusedError(wanted.file.name, status)

    def _discard(self, file: io.FileIO) -> None:
        self.advance(-file.seek(0, os.SEEK_END))
        file.seek(0)
        file.truncate()


def _digest(file: io.FileIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(store: Store, wanted: Located) -> bool:
    try:
        size = store.path(wanted.file.sha256).stat().st_size
    except FileNotFoundError:
        return False
    return wanted.file.size in (0, size)


def _continues(response: httpx.Response, offset: int) -> bool:
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return response.status_code == HTTPStatus.PARTIAL_CONTENT and start == str(offset)


@contextmanager
def _partial(path: Path, stop: threading.Event, held: set[Path]) -> Iterator[io.FileIO]:
    # Locked: two fetches into one store must not append to the same file.
    while True:
        # Unbuffered, so that a byte counted is a byte written.
        with path.open("a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if stop.wait(0.2):
                    raise Stopped from None
                continue
            if not _is_at(path, file):
                continue
            held.add(path)
            try:
                yield file
            finally:
                held.discard(path)
                if _is_at(path, file) and os.fstat(file.fileno()).st_size == 0:
                    path.unlink()
            return


def _is_at(path: Path, file: io.FileIO) -> bool:
    # Whoever held the lock before us may have moved the file into the store or removed it.
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _write(file: io.FileIO, chunk: bytes) -> None:
    # A disk that is nearly full takes a part first and refuses the rest at the next call.
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
