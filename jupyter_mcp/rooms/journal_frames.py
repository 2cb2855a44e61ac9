"""What a journal's file is made of, and how it is read back.

Frames of (length, crc32, kind, payload): H is a JSON header, U an update, I the fingerprint of a save about to
begin, S a finished one. A torn last frame is an edit never acknowledged; zeros after the last frame are room that
was reserved.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pycrdt import Doc

_FRAME = struct.Struct("<IIc")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Header:
    """What recovery must know about a room: its id, the contents path it had, and the absolute path of its file.

    `file` is empty where notebooks are no files of this machine; `root` says which of such contents it was.
    """

    room_id: str
    path: str
    file: str = ""
    root: str = ""

    @property
    def file_id(self) -> str:
        """The id that the notebook has in Jupyter's file id manager."""
        return self.room_id.rsplit(":", 1)[-1]


@dataclass(frozen=True)
class Saved:
    """A save that ended: the file's time stamp, its content's fingerprint, and how many updates it holds.

    `digest` is that of the file's bytes, empty if it is not known.
    """

    modified: str
    fingerprint: str
    updates: int
    digest: str = ""


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


def frame(kind: bytes, payload: bytes) -> bytes:
    """Return one frame."""
    return _FRAME.pack(len(payload), zlib.crc32(payload, kind[0]), kind) + payload


def note(kind: bytes, content: Header | Saved) -> bytes:
    """Return the frame of a header or of a save."""
    return frame(kind, json.dumps(asdict(content)).encode())


def whole(content: Replay) -> bytes:
    """Return all the frames of a journal with this content."""
    parts = [note(b"H", content.header)]
    for number, update in enumerate(content.updates, 1):
        parts.append(frame(b"U", update))
        if number == content.saved.updates:
            parts.append(note(b"S", content.saved))
    parts.extend(frame(b"I", intent.encode()) for intent in content.intents)
    return b"".join(parts)


def _frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _FRAME.size <= len(data):
        length, check, kind = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        if kind == b"\0" or len(payload) < length or zlib.crc32(payload, kind[0]) != check:
            return
        yield kind, payload
        at += _FRAME.size + length


def _known(kind: type[Any], payload: bytes) -> Any:
    names = {each.name for each in fields(kind)}
    return kind(**{key: value for key, value in json.loads(payload).items() if key in names})


def read_all(fd: int, size: int | None = None) -> bytes:
    """Return the first `size` bytes of an open file, or all, wherever its position is. Raises OSError."""
    left = os.fstat(fd).st_size if size is None else size
    parts: list[bytes] = []
    at = 0
    while at < left and (part := os.pread(fd, min(_CHUNK, left - at), at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def replay(source: Path | int | bytes) -> Replay | None:
    """Read a journal up to its first torn frame; None if not even the header is whole.

    Raises ValueError, TypeError or AttributeError if a whole frame's content is none of ours, and OSError.
    """
    if isinstance(source, Path):
        source = source.read_bytes()
    elif isinstance(source, int):
        source = read_all(source)
    found: Replay | None = None
    for kind, payload in _frames(source):
        if kind == b"H":
            header = _known(Header, payload)
            found = Replay(header) if found is None else Replay(header, found.updates, found.saved, found.intents)
        elif found is None:
            return None
        elif kind == b"U":
            found.updates.append(payload)
        elif kind == b"I":
            found.intents.append(payload.decode())
        elif kind == b"S":
            found.saved, found.intents = _known(Saved, payload), []
    return found
