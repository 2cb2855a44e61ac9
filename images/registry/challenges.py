"""What a server asks for in WWW-Authenticate (RFC 9110, 11.6.1): several challenges, in one field or in many."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a word
_SPACE = re.compile(r"[ \t,]*")
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|$)[ \t]*")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))[ \t]*(?=,|$)')
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")
LONGEST = 1 << 14
"""Characters of all challenges that are read."""


def challenges(fields: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the parameters of each challenge by its scheme, both names in small letters; a scheme's first one counts.

    What is no challenge ends the reading: nothing is guessed.
    """
    text = ", ".join(fields)[:LONGEST]
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while True:
        position = _after(_SPACE, text, position)
        if found and (match := _PARAMETER.match(text, position)):
            quoted = match[2]
            value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(match[1].lower(), value)
        elif match := _SCHEME.match(text, position):
            found.append((match[1].lower(), {}))
            position = match.end()
            if not _PARAMETER.match(text, position) and (token := _TOKEN68.match(text, position)):
                position = token.end() if text[match.end() - 1] in " \t" else position
            continue
        else:
            break
        position = match.end()
    return dict(reversed(found))


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()
