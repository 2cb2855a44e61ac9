"""Changing a shared text by the least that makes it the new text, so that carets and selections in the rest stay."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from pycrdt import Text

_DEEPEST = 12  # levels of anchors within anchors; what still differs then is replaced
_MOST = 500  # changes of one text: a shared text takes a time with the square of their number
_COMPARED = 40_000  # pairs of words up to which a changed block is compared word by word
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Change(NamedTuple):
    """Replace the old text's characters `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def changes(old: str, new: str) -> list[Change]:
    """Return what makes `old` the text `new`: in order, apart from each other, none of it common to both.

    Common start and end are set aside, then lines that are in both, then words. The time is near linear in the
    number of lines; where there would be more than 500 changes, the nearest are joined.
    """
    found: list[Change] = []
    for start, end, first, last in _blocks(old, new):
        change = Change(start, end, new[first:last])
        if found and found[-1].end == start:
            before = found.pop()
            change = Change(before.start, end, before.text + change.text)
        found.append(change)
    return found if len(found) <= _MOST else _fewer(found, old)


def _fewer(found: list[Change], old: str) -> list[Change]:
    """Return `_MOST` changes that do the same, with the longest stretches between them left alone."""
    gaps = [later.start - change.end for change, later in pairwise(found)]
    kept = set(sorted(range(len(gaps)), key=gaps.__getitem__, reverse=True)[: _MOST - 1])
    joined = [found[0]]
    for number, change in enumerate(found[1:]):
        if number in kept:
            joined.append(change)
        else:
            before = joined[-1]
            text = before.text + old[before.end : change.start] + change.text
            joined[-1] = Change(before.start, change.end, text)
    return joined


def rewrite(shared: Text, new: str) -> None:
    """Make `new` the content of the shared text; call it in a transaction.

    pycrdt counts in bytes of UTF-8.
    """
    old = str(shared)
    if old == new:
        return
    for start, end, text in reversed(_in_bytes(old, changes(old, new))):
        # Insert first: what pointed into the deleted part then points before the new text, as in an editor.
        if text:
            shared.insert(end, text)
        if start < end:
            del shared[start:end]


def _in_bytes(old: str, found: list[Change]) -> list[Change]:
    """Return the changes with places counted in bytes of UTF-8."""
    if old.isascii():
        return found
    counted: list[Change] = []
    at = place = 0
    for start, end, text in found:
        first = place + len(old[at:start].encode())
        place, at = first + len(old[start:end].encode()), end
        counted.append(Change(first, place, text))
    return counted


Block = tuple[int, int, int, int]  # old[a:b] becomes new[c:d]


def _blocks(old: str, new: str) -> Iterator[Block]:
    """Yield the blocks of characters that differ, in order."""
    start, end, first, last = _trim(old, new, 0, len(old), 0, len(new))
    if start == end or first == last:
        if start != end or first != last:
            yield start, end, first, last
        return
    olds, news = old[start:end].splitlines(keepends=True), new[first:last].splitlines(keepends=True)
    at, to = _offsets(olds, start), _offsets(news, first)
    for a, b, c, d in _lines(olds, news, 0, len(olds), 0, len(news), 0):
        yield from _words(old, new, _trim(old, new, at[a], at[b], to[c], to[d]))


def _trim(old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int) -> Block:
    """Return the ranges without their common start and end."""
    shorter = min(b - a, d - c)
    same = _common(old[a : a + shorter], new[c : c + shorter])
    a, c, shorter = a + same, c + same, shorter - same
    same = _common(old[b - shorter : b][::-1], new[d - shorter : d][::-1])
    return a, b - same, c, d - same


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many first items of two sequences of one length are the same, by bisection."""
    low, high = 0, len(one)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _offsets(lines: Sequence[str], start: int) -> list[int]:
    offsets = [start]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _lines(olds: list[str], news: list[str], a: int, b: int, c: int, d: int, depth: int) -> Iterator[Block]:
    """Yield the ranges of lines that differ: what is between lines that are once in each (a patience diff)."""
    a, b, c, d = _trim(olds, news, a, b, c, d)
    if a == b and c == d:
        return
    anchors = _anchors(olds[a:b], news[c:d]) if a < b and c < d and depth < _DEEPEST else []
    if not anchors:
        yield a, b, c, d
        return
    i, j = a, c
    for x, y in [*((a + x, c + y) for x, y in anchors), (b, d)]:
        yield from _lines(olds, news, i, x, j, y, depth + 1)
        i, j = x + 1, y + 1


def _anchors(olds: Sequence[str], news: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest run of lines, in both orders, that are once in each."""
    once, counts = Counter(olds), Counter(news)
    place = {line: y for y, line in enumerate(news) if counts[line] == 1 and once[line] == 1}
    pairs = [(x, place[line]) for x, line in enumerate(olds) if line in place]
    ends: list[int] = []  # the smallest end of an increasing run of each length
    at: list[int] = []
    back: list[int] = []
    for number, (_, y) in enumerate(pairs):
        length = bisect_left(ends, y)
        ends[length : length + 1] = [y]
        at[length : length + 1] = [number]
        back.append(at[length - 1] if length else -1)
    run: list[tuple[int, int]] = []
    number = at[-1] if at else -1
    while number >= 0:
        run.append(pairs[number])
        number = back[number]
    return run[::-1]


def _words(old: str, new: str, block: Block) -> Iterator[Block]:
    """Yield what differs within a block, word by word if it is small."""
    start, end, first, last = block
    if start == end or first == last:
        if start != end or first != last:
            yield block
        return
    olds, news = _WORDS.findall(old[start:end]), _WORDS.findall(new[first:last])
    if len(olds) * len(news) > _COMPARED:
        yield block
        return
    at, to = _offsets(olds, start), _offsets(news, first)
    for kind, a, b, c, d in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if kind != "equal":
            yield _trim(old, new, at[a], at[b], to[c], to[d])
