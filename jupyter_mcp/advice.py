"""What a text may advise: only tools that the server offers. The setting `tools` can leave out any."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LACKING: ContextVar[Collection[str]] = ContextVar("tools that are not offered", default=())
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)+")
_SENTENCES = re.compile(r"(?<=\.)(\s+)")


@contextmanager
def lacking(tools: Collection[str]) -> Iterator[None]:
    """Let no text that is made meanwhile, or by a task begun meanwhile, advise one of these tools."""
    token = _LACKING.set(tools)
    try:
        yield
    finally:
        _LACKING.reset(token)


def either(*ways: str) -> str:
    """Return the first way whose tools are all offered; the last is what is left if none is."""
    return next((way for way in ways if not _names(way, _LACKING.get())), ways[-1])


def all_of(*clauses: str, otherwise: str) -> str:
    """Return the clauses whose tools are all offered, with semicolons; `otherwise` if none is."""
    return "; ".join(one for one in clauses if not _names(one, _LACKING.get())) or otherwise


def without(text: str, tools: Collection[str]) -> str:
    """Return a text without the sentences that name one of these tools."""
    parts = _SENTENCES.split(text)
    kept = [(one, space) for one, space in zip(parts[::2], [*parts[1::2], ""], strict=True) if not _names(one, tools)]
    return "".join(one + space for one, space in kept).strip()


def _names(text: str, tools: Collection[str]) -> bool:
    return bool(tools) and any(word in tools for word in _WORD.findall(text))
