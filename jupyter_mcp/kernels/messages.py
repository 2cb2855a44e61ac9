"""Kernel messages as nbformat outputs, and outputs as shared objects that every client can hold."""

from __future__ import annotations

import math
import re
from typing import Any

from pycrdt import Map, Text

Output = dict[str, Any]

OVERWRITE_UP_TO = 64 << 10  # characters of a stream in which carriage returns are applied
_MAX_TRACEBACK = 64 << 10  # characters of an error that are shown after the limit is reached
_EXACT = 1 << 53  # integers up to here are the same number in every client
_DOUBLE, _WRITTEN = 1000, 14_000  # bits of integers that a double can hold, and that Python writes out in decimal
_DEEPEST = 200  # levels of lists and dictionaries; JSON readers give up at about 1,000


def as_shared(output: Output) -> Map[Any]:
    """Return the shared object that shows an output; a stream's text can then be appended to."""
    stored = {key: value for key, value in output.items() if key != "transient"}
    if stored["output_type"] == "stream":
        stored["text"] = Text(stored["text"])
    return Map(stored)


def shortened(output: Output) -> Output:
    """Return an error with the end of its traceback only."""
    traceback = "\n".join(output["traceback"])[-_MAX_TRACEBACK:]
    return {**output, "evalue": output["evalue"][:_MAX_TRACEBACK], "traceback": traceback.split("\n")}


def as_output(kind: str, content: dict[str, Any]) -> Output:
    """Return the nbformat output of a message; `transient` is kept for display updates only."""
    if kind == "error":
        output = {"output_type": kind, **{key: content[key] for key in ("ename", "evalue", "traceback")}}
    else:
        output = {
            "output_type": kind,
            "data": content["data"],
            "metadata": content["metadata"],
            "transient": content.get("transient", {}),
        }
    if kind == "execute_result":
        output["execution_count"] = content["execution_count"]
    cleaned: Output = clean(output)
    return cleaned


def clean(value: Any, _depth: int = 0) -> Any:
    """Return `value` as every client and every file can hold it.

    No half of a surrogate pair, no integer past a double's precision, no NaN or infinity (JSON has none: null, as
    JavaScript writes them), nothing nested too deep, nothing that is not JSON.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None or isinstance(value, bool | int | float):
        return _number(value)
    if not isinstance(value, dict | list | tuple):
        return clean(str(value))
    if _depth >= _DEEPEST:
        return "[nested too deep]"
    if isinstance(value, dict):
        return {clean(str(key)): clean(item, _depth + 1) for key, item in value.items()}
    return [clean(item, _depth + 1) for item in value]


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool) or abs(value) < _EXACT:
        return value
    if abs(value) < 1 << _DOUBLE:
        return float(value)
    return str(value) if value.bit_length() < _WRITTEN else "[a huge integer]"


_LINE_END = re.compile("\r\n|\n")


def overwrite(text: str, column: int | None, more: str) -> tuple[str, int | None]:
    """Add `more` to a stream as a terminal does: a carriage return goes back to the start of its line.

    `column` is where in the last line the next character goes, None at its end; the new one is given
    back beside the text. Progress bars stay one line.
    """
    start = text.rfind("\n") + 1
    head, line = [text[:start]], text[start:]
    *ended, last = _LINE_END.split(more)
    for piece in ended:
        line, _ = _overwritten(line, column, piece)
        head.append(line + "\n")
        line, column = "", None
    line, column = _overwritten(line, column, last)
    return "".join(head) + line, column


def _overwritten(line: str, column: int | None, piece: str) -> tuple[str, int | None]:
    """Write a piece without line ends into a line; in a time that grows with both, however often it goes back.

    What is written last is seen: of what was before, only what reaches further.
    """
    first, *parts = piece.split("\r")
    if column is None:
        line += first
    elif first:
        line, column = line[:column] + first + line[column + len(first) :], column + len(first)
        column = None if column >= len(line) else column
    if not parts:
        return line, column
    shown = parts[-1]
    for part in reversed(parts[:-1]):
        if len(part) > len(shown):
            shown += part[len(shown) :]
    line = shown + line[len(shown) :]
    column = len(parts[-1])
    return line, None if parts[-1] and column >= len(line) else column
