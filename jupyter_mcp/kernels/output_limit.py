"""How much of one run's output is kept, while it runs and after.

What is kept is charged: output that was cleared, a display's earlier data and what a progress bar wrote over give
their room back. To count that at each message would be slow, so what came since the last count is added up, and what
is really kept is counted only when the sum passes a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_mcp import metrics

from .messages import shortened

NOTICE = "\n[output cut off: the limit of this server is reached]\n"
THE_END = "[more than the limit is left out here, but for its end:]\n"

RESERVE = 256 << 10  # bytes beyond the limit for errors, the result and the end of the output
_RESERVED_MESSAGES = 64
_LONGEST_END = 16 << 10  # characters of one last stream message that are shown

Message = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Kept:
    """What a cell holds: bytes, and the messages they came in."""

    size: int = 0
    messages: int = 0


def size_of(value: Any) -> int:
    """Return about how many bytes of JSON in UTF-8 a value is."""
    if isinstance(value, str):
        return len(value) + 2 if value.isascii() else len(value.encode("utf-8", "surrogatepass")) + 2
    if isinstance(value, dict):
        return 2 + sum(size_of(key) + size_of(item) + 2 for key, item in value.items())
    if isinstance(value, list | tuple):
        return 2 + sum(size_of(item) + 1 for item in value)
    return 8


def kept_of(output: dict[str, Any], pieces: int | None = None) -> Kept:
    """Return what a kept output counts for; `pieces`: the messages that made a stream, if that is known."""
    if output.get("output_type") != "stream":
        return Kept(size_of({key: item for key, item in output.items() if key != "output_type"}), 1)
    text = str(output.get("text", ""))
    lines = text.count("\n") + 1  # as many messages as lines, at most: a progress bar is one line
    return Kept(_bytes(text), lines if pieces is None else min(lines, pieces))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _first(text: str, size: int) -> str:
    """Return as much of the text as `size` bytes hold."""
    return text.encode("utf-8", "surrogatepass")[: max(size, 0)].decode("utf-8", "ignore")


class Allowance:
    """At most `size` bytes of content and `messages` messages are kept; what is past either is dropped.

    A notice on stderr says so. Errors, the result and the end of the output have a reserve of their own.
    """

    def __init__(self, size: int, messages: int) -> None:
        self.full = False
        self._limit = Kept(size, messages)
        self._spent = Kept()
        self._reserve = Kept()

    @property
    def size(self) -> int:
        """The bytes of content that are kept at most."""
        return self._limit.size

    def emptied(self) -> None:
        """Free all that was spent: the cell's output was cleared."""
        self.full = False
        self._spent = Kept()

    def admit(self, kind: str, content: dict[str, Any], kept: Callable[[], Kept]) -> list[Message]:
        """Return what is shown of an output message; `kept` counts what the cell holds now."""
        if self.full:
            return self.last(kind, content)
        size = _bytes(content["text"]) if kind == "stream" else size_of(content)
        if self._spend(size, 1, kept):
            return [(kind, content)]
        self._overflow()
        shown: list[Message] = []
        if kind == "stream" and self._spent.messages < self._limit.messages:
            head = _first(content["text"], self._limit.size - self._spent.size)
            shown.append((kind, {**content, "text": head}))
            size -= _bytes(head)
        metrics.DROPPED.inc(size)
        shown.append(("stream", {"name": "stderr", "text": NOTICE}))
        if kind in ("error", "execute_result"):
            shown.extend(self.last(kind, content))
        return shown

    def swap(self, new: dict[str, Any], kept: Callable[[], Kept]) -> list[Message] | None:
        """Take a display's new data in place of the old. Returns None if it fits, else what is shown of it."""
        if self._spend(size_of(new), 0, kept):
            return None
        if self.full:
            return []
        self._overflow()
        return [("stream", {"name": "stderr", "text": NOTICE})]

    def last(self, kind: str, content: dict[str, Any]) -> list[Message]:
        """Return what is shown, after the limit, of an error, of the result or of the end of the output."""
        if kind == "error":
            content = shortened(content)
        elif kind == "stream":
            content = {**content, "text": content["text"][-_LONGEST_END:]}
        size = size_of(content)
        if self._reserve.size < size or not self._reserve.messages:
            return []
        self._reserve = Kept(self._reserve.size - size, self._reserve.messages - 1)
        return [(kind, content)]

    def _overflow(self) -> None:
        self.full = True
        self._reserve = Kept(RESERVE, _RESERVED_MESSAGES)

    def _spend(self, size: int, messages: int, kept: Callable[[], Kept]) -> bool:
        after = Kept(self._spent.size + size, self._spent.messages + messages)
        if not self._over(after, 1):
            self._spent = after
            return True
        self._spent = kept()
        after = Kept(self._spent.size + size, self._spent.messages + messages)
        # A sixteenth must be free again, else each message would be a reason to count.
        if self._over(after, 15 / 16):
            return False
        self._spent = after
        return True

    def _over(self, one: Kept, share: float) -> bool:
        return one.size > self._limit.size * share or one.messages > self._limit.messages * share
