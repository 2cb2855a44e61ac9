"""A notebook that a shared document can hold: pycrdt panics, or loses what it has, on the rest.

JSON as Python reads it has integers of any size, NaN and Infinity, halves of surrogate pairs, and any depth. None
of these is in I-JSON (RFC 7493), and JavaScript and the shared document have other ideas of each.
"""

from __future__ import annotations

import math
from typing import Any

_INT64 = 1 << 63
MAX_DEPTH = 200  # of lists and objects in each other; the readers of JSON here give up at about 1000


class TooDeepError(ValueError):
    """The content is nested deeper than any reader follows."""


def unsound(value: Any, depth: int = 0) -> bool:
    """Return whether a shared document can't hold the value as it is. Raises TooDeepError."""
    if isinstance(value, str):
        return not value.isascii() and not _encodes(value)
    if isinstance(value, dict):
        _check(depth)
        return any(not isinstance(key, str) or unsound(key) or unsound(item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple):
        _check(depth)
        return any(unsound(item, depth + 1) for item in value)
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and not -_INT64 <= value < _INT64


def _check(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDeepError(f"it is nested more than {MAX_DEPTH} levels deep")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def sound(value: Any) -> Any:
    """Return the value as a shared document holds it.

    What JSON has no word for becomes null, as in JavaScript; an integer past 64 bits the nearest double, or a
    string; half of a surrogate pair the replacement character.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {sound(str(key)): sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sound(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return float(value) if abs(value) < 1 << 1000 else str(value)
    return value
