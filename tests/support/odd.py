"""JSON documents with something in them as it must not be."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

LACKING = object()
ODD: tuple[Any, ...] = (
    LACKING, None, True, 0, -1, 10**30, 1.5, "", "x", "a\0b", "\ud800", "../../etc", "sha256:" + "0" * 64, "sha512:00",
    "\x1b[2J\n", [], [None], [[]], ["x"], {}, {"x": None}, {"digest": 1}, "x" * 5000,
)  # fmt: skip


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything below a document."""
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield (*way, key)
        yield from places(value, (*way, key))


def with_odd(document: Any, way: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy with one thing replaced, or left out."""
    changed = copy.deepcopy(document)
    at = changed
    for key in way[:-1]:
        at = at[key]
    if odd is LACKING:
        del at[way[-1]]
    else:
        at[way[-1]] = odd
    return changed


def odd_ones(document: Any) -> st.SearchStrategy[Any]:
    """Make documents that differ from a good one in one place."""
    return st.builds(with_odd, st.just(document), st.sampled_from(list(places(document))), st.sampled_from(ODD))
