"""How much one run may put out, while it runs and after."""

from __future__ import annotations

import json
from typing import Any

from .messages import shortened

NOTICE = "\n[output cut off: the limit of this server is reached]\n"

Message = tuple[str, dict[str, Any]]


class Allowance:
    """At most `size` bytes of content and `messages` messages; what is past either is dropped.

    A notice on stderr says so, and an error that ends the run is still shown.
    """

    def __init__(self, size: int, messages: int) -> None:
        self.full = False
        self._left = size
        self._messages_left = messages

    def admit(self, kind: str, content: dict[str, Any]) -> list[Message]:
        """Give what is shown of an output message."""
        if self.full:
            return [_short_error(content)] if kind == "error" else []
        self._messages_left -= 1
        size = len(content["text"]) if kind == "stream" else len(json.dumps(content, default=str))
        if size <= self._left and self._messages_left >= 0:
            self._left -= size
            return [(kind, content)]
        self.full = True
        shown: list[Message] = []
        if kind == "stream" and self._messages_left >= 0:
            shown.append((kind, {**content, "text": content["text"][: max(self._left, 0)]}))
        shown.append(("stream", {"name": "stderr", "text": NOTICE}))
        if kind == "error":
            shown.append(_short_error(content))
        return shown


def _short_error(content: dict[str, Any]) -> Message:
    return "error", shortened(content)
