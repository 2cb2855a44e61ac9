"""An append-only file per room, so that what was acknowledged is there after `kill -9`.

Every update of the shared document is appended while its transaction commits, so before any
reply. A plain write is enough against the death of the process; `fsync` is for power loss.
A file is frames of (length, crc32, kind, payload): H is a JSON header, U an update, I the
fingerprint of a save about to begin, S a finished one. A torn last frame is an edit never
acknowledged. The file is locked (flock) while its room lives, so that a second server on the
same folder leaves it alone.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pycrdt import Doc

_FRAME = struct.Struct("<IIc")
_COMPACT_BYTES = 1 << 20
_COMPACT_GROWTH = 4


@dataclass(frozen=True)
class Header:
    """What recovery must know about a room: its id and the contents path it had."""

    room_id: str
    path: str


@dataclass(frozen=True)
class Saved:
    """A save that ended: the file's time stamp, its content's fingerprint, and how many updates it holds."""

    modified: str
    fingerprint: str
    updates: int


@dataclass
class Replay:
    """A journal read back: updates in order, what was saved, and the fingerprints of saves not known to have ended."""

    header: Header
    updates: list[bytes] = field(default_factory=list)
    saved: Saved = Saved("", "", 0)
    intents: list[str] = field(default_factory=list)

    def document(self, updates: int | None = None) -> Doc[Any]:
        """Rebuild the document after the first `updates` updates, or after all."""
        doc: Doc[Any] = Doc()
        for update in self.updates[:updates]:
            doc.apply_update(update)
        return doc


class Journal:
    """The open journal of one live room; begins with the room's state, which the file `modified` at that time holds."""

    def __init__(self, folder: Path, header: Header, state: bytes, modified: str, *, fsync: bool) -> None:
        self.file = folder / f"{header.room_id.rsplit(':', 1)[-1]}.{secrets.token_hex(4)}.journal"
        self.header = header
        self.updates = 0
        self._fsync = fsync
        self.broken = False
        self._fd = -1
        self._size = 0
        self._base = 0
        self._rewrite(Replay(header, [state], Saved(modified, "", 1)))

    def _rewrite(self, content: Replay) -> None:
        """Start over; the old file stays until the new one is complete."""
        data = _frame(b"H", json.dumps(asdict(content.header)).encode())
        for number, update in enumerate(content.updates, 1):
            data += _frame(b"U", update)
            if number == content.saved.updates:
                data += _frame(b"S", json.dumps(asdict(content.saved)).encode())
        for intent in content.intents:
            data += _frame(b"I", intent.encode())
        fresh = self.file.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        _write(fd, data)
        if self._fsync:
            os.fsync(fd)
        fresh.replace(self.file)
        if self._fsync:
            _sync_folder(self.file.parent)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base = fd, len(data), len(data)
        self.broken = False
        self.updates = len(content.updates)

    def append(self, update: bytes) -> None:
        """Keep one update; returns when the system has it. Raises OSError, and is `broken` until `compact`."""
        if self.broken:
            raise OSError(errno.EIO, "an earlier update could not be written", str(self.file))
        self._put(_frame(b"U", update))
        self.updates += 1

    def saving(self, fingerprint: str) -> None:
        """Note that content of this fingerprint is about to be written to the file."""
        self._put(_frame(b"I", fingerprint.encode()))

    def saved(self, saved: Saved) -> None:
        """Note that the file holds the first `saved.updates` updates."""
        self._put(_frame(b"S", json.dumps(asdict(saved)).encode()))

    def moved(self, path: str) -> None:
        """Note that the notebook has a new path."""
        self.header = Header(self.header.room_id, path)
        self._put(_frame(b"H", json.dumps(asdict(self.header)).encode()))

    @property
    def oversized(self) -> bool:
        """Tell whether `compact` is due; it then costs a fixed share of what was appended since."""
        return self.broken or self._size > max(_COMPACT_BYTES, _COMPACT_GROWTH * self._base)

    def compact(self, document: Doc[Any]) -> None:
        """Fold the updates of `document` into two: up to the last save, and since."""
        found = replay(self.file)
        if self._fd < 0 or found is None:
            return
        saved = found.document(found.saved.updates)
        updates = [saved.get_update(), document.get_update(saved.get_state())]
        self._rewrite(
            Replay(found.header, updates, Saved(found.saved.modified, found.saved.fingerprint, 1), found.intents)
        )

    def _put(self, data: bytes) -> None:
        if self._fd < 0:
            return
        try:
            _write(self._fd, data)
        except OSError:
            # Half a frame would hide every later one.
            os.ftruncate(self._fd, self._size)
            self.broken = True
            raise
        self._size += len(data)
        if self._fsync:
            os.fsync(self._fd)

    def close(self, *, delete: bool) -> None:
        """Close; `delete` once the notebook's file holds everything."""
        if delete:
            self.file.unlink(missing_ok=True)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _frame(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload, kind[0]), kind) + payload


def _frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _FRAME.size <= len(data):
        length, check, kind = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload, kind[0]) != check:
            return
        yield kind, payload
        at += _FRAME.size + length


def replay(file: Path) -> Replay | None:
    """Read a journal up to its first torn frame; None if not even the header is whole."""
    found: Replay | None = None
    for kind, payload in _frames(file.read_bytes()):
        if kind == b"H":
            header = Header(**json.loads(payload))
            found = Replay(header) if found is None else Replay(header, found.updates, found.saved, found.intents)
        elif found is None:
            return None
        elif kind == b"U":
            found.updates.append(payload)
        elif kind == b"I":
            found.intents.append(payload.decode())
        elif kind == b"S":
            found.saved, found.intents = Saved(**json.loads(payload)), []
    return found


def claim(file: Path) -> int | None:
    """Lock a journal that no living room holds; gives the descriptor to close, or None."""
    try:
        fd = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None  # another server finished it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if not file.exists() or os.fstat(fd).st_ino != file.stat().st_ino:
        os.close(fd)
        return None
    return fd
