"""A stream's message that is larger than what a cell keeps: its beginning and its end, without decoding all of it.

A kernel that prints fast sends what it printed in 0.2 s as one message, which may have hundreds of megabytes. Decoded,
it would be in memory three times more, to be thrown away but for its beginning and its end.
"""

from __future__ import annotations

import json
import re
from hmac import compare_digest

import zmq
from jupyter_client.session import Session

from .output_limit import RESERVE
from .output_tail import Frames

_SIGNATURE, _CONTENT, _SIGNED = 0, 4, slice(1, 5)  # of the parts after the delimiter
_NAME = rb'"name"\s*:\s*"(?P<name>stdout|stderr)"'
_TEXT = rb'"text"\s*:\s*"'
_NAME_FIRST = re.compile(rb"\s*\{\s*" + _NAME + rb"\s*,\s*" + _TEXT), re.compile(rb'"\s*\}\s*\Z')
_TEXT_FIRST = re.compile(rb"\s*\{\s*" + _TEXT), re.compile(rb'"\s*,\s*' + _NAME + rb"\s*\}\s*\Z")
_AROUND = 100  # bytes in which what stands before or after the text is looked for
_CONTINUATION = range(0x80, 0xC0)  # what follows the first byte of a character in UTF-8
_ESCAPE = 6  # bytes of the longest one in JSON
_BACKSLASHES = 1 << 16  # in a row, that are counted


def in_parts(parts: Frames, session: Session, limit: int) -> list[Frames]:
    """Return two messages, the beginning (more than `limit` bytes of text) and the end, of one that is far larger.

    Any other is returned as it is, to be checked by who decodes it. `parts`: those after the delimiter, of a stream.
    """
    content = parts[_CONTENT].buffer
    if len(content) <= 2 * limit + RESERVE + 2 * _AROUND or not _is_signed(parts, session):
        return [parts]
    found = _text_of(content)
    if found is None:
        return [parts]
    name, text = found
    head = bytes(text[: _boundary(text, 2 * limit)])
    end = bytes(text[_boundary(text, len(text) - RESERVE) :])
    contents = [b'{"name":"%s","text":"%s"}' % (name, one) for one in (head, end)]
    try:
        beginning, _ = (json.loads(one) for one in contents)
    except ValueError:  # it is not what it looks like
        return [parts]
    if len(beginning["text"].encode("utf-8", "surrogatepass")) <= limit:  # it is mostly escapes
        return [parts]
    return [_with_content(parts, session, one) for one in contents]


def _is_signed(parts: Frames, session: Session) -> bool:
    if session.auth is None:
        return True
    signed = session.sign([part.buffer for part in parts[_SIGNED]])
    return compare_digest(parts[_SIGNATURE].bytes, signed)


def _with_content(parts: Frames, session: Session, content: bytes) -> Frames:
    signed = [*(part.bytes for part in parts[1:_CONTENT]), content]
    return [zmq.Frame(one) for one in (session.sign(signed), *signed)]


def _text_of(content: memoryview) -> tuple[bytes, memoryview] | None:
    """Return the stream's name and its text, as it stands in JSON; None if the message is not of the usual shape."""
    before, after = bytes(content[:_AROUND]), bytes(content[-_AROUND:])
    for head, tail in (_NAME_FIRST, _TEXT_FIRST):
        begin, end = head.match(before), tail.search(after)
        if begin and end:
            name = (begin.groupdict() | end.groupdict())["name"]
            return name, content[begin.end() : len(content) - (len(after) - end.start())]
    return None


def _boundary(text: memoryview, at: int) -> int:
    """Return where to cut at the latest: `at`, or where the character or the escape begins that goes over it."""
    while at and text[at] in _CONTINUATION:
        at -= 1
    for start in range(at - 1, max(at - _ESCAPE, -1), -1):
        if text[start] == ord("\\"):
            before = bytes(text[max(start + 1 - _BACKSLASHES, 0) : start + 1])
            if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
                return at  # an escaped backslash
            length = _ESCAPE if text[start + 1] == ord("u") else 2
            return start if start + length > at else at
    return at
