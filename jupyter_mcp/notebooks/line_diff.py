"""What changed between two sources, line by line, for people and models to read."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from itertools import islice

_HEADER = 2  # lines of a unified diff that name its files; a line that begins with two dashes looks like one of them


def line_diff(old: str, new: str, *, around: int, most: int) -> Iterator[str]:
    """Yield a unified diff with `around` lines of context, without a header; of over `most` lines how many they are."""
    olds, news = old.split("\n") if old else [], new.split("\n") if new else []
    if max(len(olds), len(news)) > most and olds and news:
        yield f"{len(olds)} lines, now {len(news)}"
        return
    yield from islice(unified_diff(olds, news, lineterm="", n=around), _HEADER, None)
