"""What a kernel said, checked: nothing behind this module meets a message of a wrong shape.

Any program can be a kernel. A field that lacks or has a wrong type is filled in where that loses nothing; a message
that then still has no meaning is a BadMessageError, to be skipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Content = dict[str, Any]

_LARGEST_COUNT = 1 << 53  # nbformat's counts are doubles in browsers


class BadMessageError(ValueError):
    """A message that means nothing."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message: its kind, the id of the request that caused it ("" if it names none), its checked content."""

    kind: str
    parent: str
    content: Content


def heard(message: Content) -> Heard:
    """Return a deserialized message, checked. Raises BadMessageError."""
    kind, content = message.get("msg_type"), message.get("content")
    if not isinstance(kind, str) or not isinstance(content, dict):
        raise BadMessageError("no type or no content")
    check = _CHECKS.get(kind)
    return Heard(kind, parent_of(message.get("parent_header")), content if check is None else check(content))


def parent_of(header: Any) -> str:
    """Return the id of the request that a parent header names, "" if none."""
    found = header.get("msg_id") if isinstance(header, dict) else None
    return found if isinstance(found, str) else ""


def _stream(content: Content) -> Content:
    name, text = content.get("name"), content.get("text")
    if isinstance(text, list):
        text = "".join(part for part in text if isinstance(part, str))
    if not isinstance(text, str):
        raise BadMessageError("a stream without text")
    return {"name": name if name in ("stdout", "stderr") else "stdout", "text": text}


def _display(content: Content) -> Content:
    data = content.get("data")
    if not isinstance(data, dict):
        raise BadMessageError("a display without data")
    shown = {str(kind): _representation(str(kind), item) for kind, item in data.items() if item is not None}
    checked: Content = {"data": shown, "metadata": _dictionary(content.get("metadata")), "transient": {}}
    display_id = _dictionary(content.get("transient")).get("display_id")
    if isinstance(display_id, str | int) and display_id != "":
        checked["transient"] = {"display_id": str(display_id)}
    return checked


def _result(content: Content) -> Content:
    return {**_display(content), "execution_count": count_of(content.get("execution_count"))}


def _representation(kind: str, item: Any) -> Any:
    """Return what nbformat allows: anything for JSON, else a string or a list of strings."""
    if kind.endswith("json") or isinstance(item, str):
        return item
    if isinstance(item, list) and all(isinstance(line, str) for line in item):
        return item
    return json.dumps(item, default=str)


def _error(content: Content) -> Content:
    traceback = content.get("traceback")
    if isinstance(traceback, str):
        traceback = traceback.split("\n")
    lines = [line if isinstance(line, str) else str(line) for line in traceback] if isinstance(traceback, list) else []
    name, value = (content.get(key) for key in ("ename", "evalue"))
    return {
        "ename": name if isinstance(name, str) else "Error",
        "evalue": value if isinstance(value, str) else "" if value is None else str(value),
        "traceback": lines,
    }


def _clear(content: Content) -> Content:
    return {"wait": content.get("wait") is True}


def _status(content: Content) -> Content:
    state = content.get("execution_state")
    if not isinstance(state, str):
        raise BadMessageError("a status without a state")
    return {"execution_state": state}


def _reply(content: Content) -> Content:
    status = content.get("status")
    checked: Content = {"status": status if isinstance(status, str) else "ok"}
    checked["execution_count"] = count_of(content.get("execution_count"))
    payload = content.get("payload")
    for one in payload if isinstance(payload, list) else ():
        if isinstance(one, dict) and one.get("source") == "page" and isinstance(one.get("data"), dict):
            checked.setdefault("pages", []).append(_display({"data": one["data"]}))
        elif isinstance(one, dict) and one.get("source") == "set_next_input" and isinstance(one.get("text"), str):
            checked["next"] = one["text"]
    return {**checked, **_error(content)} if status == "error" else checked


def _shutdown(content: Content) -> Content:
    return {"restart": content.get("restart") is True}


def count_of(value: Any) -> int | None:
    """Return an execution count, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST_COUNT:
        return None
    return int(value)


def _dictionary(value: Any) -> Content:
    return value if isinstance(value, dict) else {}


_CHECKS = {
    "stream": _stream,
    "display_data": _display,
    "update_display_data": _display,
    "execute_result": _result,
    "error": _error,
    "clear_output": _clear,
    "status": _status,
    "execute_reply": _reply,
    "shutdown_reply": _shutdown,
}
