"""Change one member of a JSON file that people write, with their comments, order and indentation left as they are.

JSON with comments and commas at the end, as VS Code, Zed and OpenCode read it. The text is changed, never written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*(?:/\*[^\n]*?\*/[ \t]*)*(?://[^\r\n]*)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
_BOM = "\ufeff"


@dataclass
class Node:
    """A value with its place in the text; members of an object in their order."""

    start: int
    end: int
    value: Any
    members: list[Member] = field(default_factory=list)
    comma: bool = False  # after the last member


@dataclass
class Member:
    """A key and its value."""

    key: str
    start: int
    node: Node


def parse(text: str) -> Node:
    """Return the value of a whole text. Raises ValueError with the line of what can't be read."""
    try:
        node = _Parser(text).whole()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = len(_BOM) if text.startswith(_BOM) else 0

    def whole(self) -> Node:
        self._skip()
        node = self._value()
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("more than one value")
        return node

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"line {self._text.count(chr(10), 0, self._at) + 1}: {what}")

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _value(self) -> Node:
        match self._next():
            case "{":
                return self._object()
            case "[":
                return self._array()
            case '"':
                start = self._at
                text = self._string()
                return Node(start, self._at, text)
        start, found = self._at, _WORD.match(self._text, self._at)
        try:
            value = json.loads(found[0] if found else "", parse_constant=self._constant)
        except ValueError:
            raise self._wrong("a value that can't be read") from None
        self._at = found.end() if found else self._at
        return Node(start, self._at, value)

    def _constant(self, word: str) -> Any:
        raise ValueError(word)

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._wrong("a text without its end")
        try:
            text: str = json.loads(found[0])
        except ValueError:
            raise self._wrong("a text that can't be read") from None
        self._at = found.end()
        return text

    def _object(self) -> Node:
        node = Node(self._at, 0, {})
        self._at += 1
        while True:
            self._skip()
            if self._next() == "}":
                break
            if node.members and not node.comma:
                raise self._wrong("a comma is missing")
            start = self._at
            if self._next() != '"':
                raise self._wrong("a key is missing")
            key = self._string()
            self._skip()
            if self._next() != ":":
                raise self._wrong("a colon is missing")
            self._at += 1
            self._skip()
            value = self._value()
            if key in node.value:
                raise self._wrong(f"{key!r} is there twice")
            node.value[key] = value.value
            node.members.append(Member(key, start, value))
            node.comma = self._comma()
        self._at += 1
        node.end = self._at
        return node

    def _array(self) -> Node:
        node, more = Node(self._at, 0, []), True
        self._at += 1
        while True:
            self._skip()
            if self._next() == "]":
                break
            if not more:
                raise self._wrong("a comma is missing")
            node.value.append(self._value().value)
            more = self._comma()
        self._at += 1
        node.end = self._at
        return node

    def _comma(self) -> bool:
        self._skip()
        if self._next() != ",":
            return False
        self._at += 1
        return True


def put(text: str, keys: Sequence[str], value: Any) -> str:
    """Return the text with the member at `keys` set; objects on the way are made. Raises ValueError."""
    *way, last = keys
    node = parse(text)
    unit = _unit(text, node)
    for at, key in enumerate(way):
        _check(node, keys[:at])
        inner = _member(node, key)
        if inner is None:
            for name in reversed((*way[at + 1 :], last)):
                value = {name: value}
            return _insert(text, node, key, value, unit)
        node = inner.node
    _check(node, way)
    member = _member(node, last)
    if member is None:
        return _insert(text, node, last, value, unit)
    shown = _shown(value, unit, _indent(text, member.start), text)
    return text[: member.node.start] + shown + text[member.node.end :]


def take(text: str, keys: Sequence[str]) -> str:
    """Return the text without the member at `keys`, which is there. Raises ValueError."""
    *way, last = keys
    node = parse(text)
    for key in way:
        inner = _member(node, key)
        if inner is None:
            raise ValueError(f"{key!r} is not there")
        node = inner.node
    at = next((at for at, member in enumerate(node.members) if member.key == last), None)
    if at is None:
        raise ValueError(f"{last!r} is not there")
    start, end = node.members[at].start, node.members[at].node.end
    comma = _next_comma(text, end)
    if at + 1 < len(node.members) or node.comma:
        text = text[:comma] + text[comma + 1 :]
    elif at > 0:
        before = _next_comma(text, node.members[at - 1].node.end)
        text = text[:before] + text[before + 1 :]
        start, end = start - 1, end - 1
    line, stop = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    if stop >= 0 and not text[line:start].strip() and not text[end:stop].strip():
        return text[:line] + text[stop + 1 :]
    return text[:start].rstrip(" \t") + text[end:]


def _next_comma(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _check(node: Node, way: Sequence[str]) -> None:
    if not isinstance(node.value, dict):
        raise ValueError(f"{'.'.join(way) or 'the whole'} is not an object")  # noqa: TRY004 - of a file, not of code


def _member(node: Node, key: str) -> Member | None:
    return next((member for member in node.members if member.key == key), None)


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())].lstrip(_BOM)


def _unit(text: str, root: Node) -> str:
    return (_indent(text, root.members[0].start) if root.members else "") or "  "


def _shown(value: Any, unit: str, indent: str, text: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"{newline}{indent}")


def _insert(text: str, node: Node, key: str, value: Any, unit: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    name = json.dumps(key, ensure_ascii=False)
    if not node.members:
        outer = _indent(text, node.start)
        head = text[: node.end - 1].rstrip(" \t\r\n")
        shown = _shown(value, unit, outer + unit, text)
        return f"{head}{newline}{outer}{unit}{name}: {shown}{newline}{outer}{text[node.end - 1 :]}"
    end = node.members[-1].node.end
    if "\n" not in text[node.start : node.end]:  # an object on one line stays on it
        shown = json.dumps(value, ensure_ascii=False)
        if node.comma:
            end = _next_comma(text, end) + 1
            return f"{text[:end]} {name}: {shown},{text[end:]}"
        return f"{text[:end]}, {name}: {shown}{text[end:]}"
    indent = _indent(text, node.members[-1].start)
    shown = _shown(value, unit, indent, text)
    if node.comma:
        end = _next_comma(text, end) + 1
        head = text[:end]
    else:
        head = f"{text[:end]},"
    rest = _REST_OF_LINE.match(text, end)  # a remark on the last member stays with it
    stop = rest.end() if rest else end
    return f"{head}{text[end:stop].rstrip()}{newline}{indent}{name}: {shown}{',' if node.comma else ''}{text[stop:]}"
