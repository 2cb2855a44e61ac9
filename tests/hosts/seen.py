"""What a model was shown of a tool's result, out of the request that its host sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BEGIN = 320  # characters
_BASE64 = re.compile(r"[A-Za-z0-9+/]{120,}")


@dataclass(frozen=True)
class Seen:
    """The text and the pictures of one result."""

    text: str
    pictures: int

    @property
    def first_line(self) -> str:
        """Return the begin of the text, on one line."""
        line = " ".join(self.text.split())
        return line if len(line) <= _BEGIN else f"{line[:_BEGIN]}…"

    @property
    def has_bytes(self) -> bool:
        """Return whether there is base64 in the text."""
        return _BASE64.search(self.text) is not None


def seen(requests: list[dict[str, Any]]) -> Seen | None:
    """Return what the last of the requests that hold a result shows of it; None if none does."""
    for asked in reversed(requests):
        blocks = list(_results(asked))
        if blocks:
            return Seen("\n".join(text for text, _ in blocks if text), sum(picture for _, picture in blocks))
    return None


def _results(asked: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the parts of the result: text, or a picture."""
    after = False
    for message in asked.get("messages", ()):  # chat completions
        if message.get("role") == "tool":
            after = True
            yield from _content(message.get("content"))
        elif after and message.get("role") == "user":  # where a picture has no place in a tool's message
            yield from ((text, picture) for text, picture in _content(message.get("content")) if picture)
    for item in asked.get("input", ()):  # responses
        if isinstance(item, dict) and item.get("type") == "function_call_output":
            yield from _content(item.get("output"))
    for content in asked.get("contents", ()):  # Gemini
        parts = content.get("parts", ())
        if any("functionResponse" in part for part in parts):
            for part in parts:
                yield from _gemini(part)


def _content(content: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(content, str):
        yield content, False
        return
    for part in content or ():
        if "image" in str(part.get("type")):
            yield "", True
        else:
            yield str(part.get("text", "")), False


def _gemini(part: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    if "inlineData" in part:
        yield "", True
    elif "text" in part:
        yield part["text"], False
    elif "functionResponse" in part:
        answer = part["functionResponse"]
        yield json.dumps(answer.get("response"), ensure_ascii=False), False
        for inner in answer.get("parts", ()):
            yield from _gemini(inner)
