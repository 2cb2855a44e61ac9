"""Replacing text in sources, and saying why it could not be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

_SHOWN = 5  # places that an error names
_LINE = 100  # characters of a line that an error shows
_MOST_LINES = 2000  # that are compared with what was not found

Place = tuple[str, str]  # a cell's id and source


class Replacing:
    """One text for another, everywhere or only where it is no part of a longer word."""

    def __init__(self, old: str, new: str, *, whole_word: bool = False) -> None:
        self._old, self._new = old, new
        # An end that is no letter, digit or underscore ends the word itself.
        start, end = (r"\b" if re.match(r"\w", character) else "" for character in (old[0], old[-1]))
        self._pattern = re.compile(f"{start}{re.escape(old)}{end}") if whole_word else None

    def count(self, source: str) -> int:
        """Return how often the text is there."""
        if self._old not in source:
            return 0
        return source.count(self._old) if self._pattern is None else sum(1 for _ in self._pattern.finditer(source))

    def apply(self, source: str) -> str:
        """Return the source with each of them replaced."""
        if self._pattern is None:
            return source.replace(self._old, self._new)
        return self._pattern.sub(lambda _: self._new, source)

    def lines(self, source: str) -> Iterator[int]:
        """Yield the lines, from 1, in which they begin."""
        found = re.compile(re.escape(self._old)) if self._pattern is None else self._pattern
        line = at = 0
        for match in found.finditer(source):
            line += source.count("\n", at, match.start())
            at = match.start()
            yield line + 1


def not_unique(replacing: Replacing, total: int, places: Sequence[Place]) -> str:
    """Return an error that names where the text is, if it should be there once."""
    shown = [
        f"{cell_id} line {number}: {source.split(chr(10))[number - 1].strip()[:_LINE]!r}"
        for cell_id, source in places[:_SHOWN]
        for number in islice(replacing.lines(source), _SHOWN)
    ][:_SHOWN]
    more = f"; {total - len(shown)} more" if total > len(shown) else ""
    return (
        f"`old` is there {total} times ({'; '.join(shown)}{more}); "
        "give more of the text around it, or all=true to replace each."
    )


def not_found(old: str, places: Sequence[Place], *, whole_word: bool) -> str:
    """Return an error that shows the text that is most like the one that was not found."""
    where = f"the cell {places[0][0]!r}" if len(places) == 1 else f"any of the {len(places)} cells"
    begun = f"`old` is not in {where}"
    if whole_word and any(old in source for _, source in places):
        return f"{begun} as a whole word, only within longer ones; leave `whole_word` out to replace those."
    plain = "".join(old.split())
    if plain:
        for cell_id, source in places:
            if plain in "".join(source.split()):
                return f"{begun} as it is, but in {cell_id!r} with other spaces or line ends; copy it from get_cell."
    wanted = next((line.strip() for line in old.split("\n") if line.strip()), "")[:_LINE]
    lines = [
        (line.strip()[:_LINE], cell_id, number)
        for cell_id, source in places
        for number, line in enumerate(source.split("\n")[:_MOST_LINES], 1)
        if line.strip()
    ][:_MOST_LINES]
    near = get_close_matches(wanted, [line for line, _, _ in lines], n=1, cutoff=0.5)
    if not near:
        return f"{begun}, nor anything like it; read it with get_cell."
    line, cell_id, number = next(one for one in lines if one[0] == near[0])
    return f"{begun}; the nearest is line {number} of {cell_id!r}: {line!r}."
