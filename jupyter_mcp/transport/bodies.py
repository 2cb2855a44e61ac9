"""A cheap look at a request's body, before it is parsed and checked value by value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MOST_TOKENS: Final = (
    50_000  # strings, commas, and what opens or closes an object or array; a call of ours has some dozen
)
DEEPEST: Final = 200  # objects and arrays in one another
# What is in a string is text, however many commas it has. Possessive: a long string takes no memory, and no second try.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[,\[\]{}]', re.DOTALL)


def too_complex(parts: Sequence[bytes]) -> bool:
    """Return whether a JSON body has more values, or is deeper, than any call needs.

    Each value becomes an object in memory, then one more for each check: a million keys of 15 bytes are 1.6 GB.
    """
    if sum(part.count(b",") + part.count(b"[") + part.count(b"{") for part in parts) <= DEEPEST:
        return False
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(b"".join(parts))):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
        if count > MOST_TOKENS or depth > DEEPEST:
            return True
    return False
