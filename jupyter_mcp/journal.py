"""An append-only file per room, so that what was acknowledged is there after `kill -9`.

Every update of the shared document is appended while its transaction commits, so before any
reply. A plain write is enough against the death of the process; `fsync` is for power loss.
A file is frames of (length, crc32, kind, payload): H is a JSON header, U an update, S the
modification time of the file as last saved. A torn last frame is an edit never acknowledged.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FRAME = struct.Struct("<IIc")
_COMPACT_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What recovery must know about a room: its id and the contents path it had."""

    room_id: str
    path: str


@dataclass
class Replay:
    """A journal read back: updates in order, and how many of them the last save covers."""

    header: Header
    updates: list[bytes] = field(default_factory=list)
    saved_as: str = ""
    saved_count: int = 0


class Journal:
    """The open journal of one live room."""

    def __init__(self, file: Path, header: Header, state: bytes, saved_as: str, fsync: bool) -> None:
        self.file = file
        self._header = header
        self._fsync = fsync
        self._saved_as = saved_as
        self._size = 0
        self._base = 0
        self._fd = -1
        self._rewrite(state)

    def _rewrite(self, state: bytes) -> None:
        """Start over from one full state; the old file stays until the new one is complete."""
        fresh = self.file.with_suffix(".new")
        header = json.dumps({"room_id": self._header.room_id, "path": self._header.path}).encode()
        data = _frame(b"H", header) + _frame(b"U", state) + _frame(b"S", self._saved_as.encode())
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        _write(fd, data)
        if self._fsync:
            os.fsync(fd)
        fresh.replace(self.file)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base = fd, len(data), len(data)

    def append(self, update: bytes) -> None:
        """Keep one update; returns when the system has it."""
        self._put(_frame(b"U", update))

    def saved(self, saved_as: str, state: Any) -> None:
        """Note that the file was saved; `state()` gives the full state if it is time to compact."""
        if saved_as == self._saved_as:
            return
        self._saved_as = saved_as
        if self._size > max(_COMPACT_BYTES, 4 * self._base):
            self._rewrite(state())
        else:
            self._put(_frame(b"S", saved_as.encode()))

    def _put(self, data: bytes) -> None:
        if self._fd < 0:
            return
        _write(self._fd, data)
        self._size += len(data)
        if self._fsync:
            os.fsync(self._fd)

    def close(self, *, delete: bool) -> None:
        """Close; `delete` once the notebook's file holds everything."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if delete:
            self.file.unlink(missing_ok=True)


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
            found = Replay(Header(**json.loads(payload)))
        elif found is None:
            return None
        elif kind == b"U":
            found.updates.append(payload)
        elif kind == b"S":
            found.saved_as, found.saved_count = payload.decode(), len(found.updates)
    return found
