"""One output of a cell as something to read: one of its forms as text, and what the other forms are.

Nothing here waits, and nothing is cut: `brief` does that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from jupyter_mcp.kernels.messages import Output

from .pictures import PICTURES
from .plain_text import text_of_html, without_codes

_LONGEST_TYPE = 200  # characters of a MIME type
_EDGE = 1 << 16  # characters at both ends of a text that are worked on where only an excerpt is wanted
_REPR = re.compile(r"<[^\n]{1,500}>")  # <IPython.core.display.HTML object>, <Figure size 640x480 with 1 Axes>
_BASE64 = ("image/", "audio/", "video/", "application/pdf", "application/octet-stream")
_DATA_URI = re.compile(r"(data:[\w.+/-]{1,100};base64,)([A-Za-z0-9+/=]{100,})")
_FRAME = re.compile(r"(?:File |Cell In|Input In|<ipython-input)")
_NUMBERED = re.compile(r"(?:-+> *)?\d+\b")
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit)(?::|$)")
_ARROW = re.compile(r"-+> *\d+")
_NAMES = {
    "application/vnd.plotly.v1+json": "a plotly figure",
    "application/vnd.jupyter.widget-view+json": "a widget",
    "application/vnd.bokehjs_exec.v0+json": "a bokeh plot",
    "application/vnd.bokehjs_load.v0+json": "bokeh's script",
    "application/vnd.holoviews_exec.v0+json": "a holoviews plot",
    "application/javascript": "a script",
    "application/geo+json": "a map",
}


@dataclass(frozen=True)
class Readable:
    """An output to read: `text` is of the form `mime_type`, whose whole has `length` characters.

    `picture` is its picture as (MIME type, base64); `marked` says of other forms what each is; `others` are the
    MIME types that say the same as the text.
    """

    text: str = ""
    mime_type: str = ""
    length: int = 0
    picture: tuple[str, str] | None = None
    marked: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


def joined(value: Any) -> str:
    """Return a text that nbformat may keep as a list of lines."""
    if isinstance(value, list):
        return "".join(str(one) for one in value)
    return value if isinstance(value, str) else ""


def is_binary(mime_type: str) -> bool:
    """Return whether nbformat keeps this type in base64."""
    return mime_type.startswith(_BASE64) and mime_type != "image/svg+xml"


def without_data_uris(text: str) -> str:
    """Return text without the base64 of pictures and files that it embeds."""
    return _DATA_URI.sub(lambda found: f"{found[1]}[{kilobytes(len(found[2]) * 3 // 4)}]", text)


def as_text(mime_type: str, value: Any) -> str:
    """Return a form of an output as text, whole; base64 as it is."""
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return joined(value) if is_binary(mime_type) else without_codes(joined(value))
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)


def readable(output: Output, *, whole: bool = False) -> Readable:
    """Return an output to read; without `whole`, only the ends of a text of more than 128 Ki characters."""
    kind = output.get("output_type")
    if kind == "stream":
        return _text("", joined(output.get("text")), whole=whole)
    if kind == "error":
        text = traceback_of(output)
        return Readable(text, "", len(text))
    data = output.get("data")
    return _displayed(data if isinstance(data, dict) else {}, whole=whole)


def _text(mime_type: str, text: str, *, whole: bool) -> Readable:
    if whole or len(text) <= 2 * _EDGE:
        text = without_codes(text)
        return Readable(text, mime_type, len(text))
    return Readable(without_codes(text[:_EDGE]) + without_codes(text[-_EDGE:]), mime_type, len(text))


def _displayed(data: dict[str, Any], *, whole: bool) -> Readable:
    shown = next((mime for mime in PICTURES if joined(data.get(mime)).strip()), None)
    chosen, text = _choice(data, whole=whole)
    found = _text(chosen, without_data_uris(text) if "base64," in text else text, whole=whole)
    marked = [(mime, _described(mime, value)) for mime, value in data.items() if _is_shown(mime) and mime != shown]
    same = [mime for mime in data if mime not in (chosen, shown) and not _is_shown(mime)]
    if not chosen and shown is None and not marked and same:
        marked, same = [(mime, _described(mime, data[mime])) for mime in same], []
    picture = None if shown is None else (shown, joined(data[shown]))
    return Readable(found.text, chosen, found.length, picture, tuple(marked), tuple(same))


def _is_shown(mime_type: str) -> bool:
    """Return whether people see this form, not read it."""
    return is_binary(mime_type) or mime_type in ("image/svg+xml", "application/javascript") or "+json" in mime_type


def _choice(data: dict[str, Any], *, whole: bool) -> tuple[str, str]:
    """Return the form that is best read, and its text; empty if none can be read."""
    plain = joined(data.get("text/plain"))
    for mime in ("text/markdown", "text/plain", "text/html", "text/latex", "application/json"):
        if mime not in data or (mime == "text/plain" and _REPR.fullmatch(plain.strip())):
            continue
        text = as_text(mime, data[mime]) if mime == "application/json" else joined(data[mime])
        if mime == "text/html":
            text = text_of_html(text if whole else text[: 4 * _EDGE])
        if text.strip():
            return mime, text
    other = next((mime for mime in data if mime.startswith("text/") and mime not in ("text/plain", "text/html")), None)
    if other is not None and joined(data[other]).strip():
        return other, joined(data[other])
    return ("text/plain", plain) if plain.strip() else ("", "")


def _described(mime_type: str, value: Any) -> str:
    """Return what a form is, in a few words."""
    size = _size(mime_type, value)
    if mime_type == "application/vnd.plotly.v1+json" and isinstance(value, dict):
        return f"a plotly figure: {_plotly(value)}, {size}"
    if mime_type.startswith("application/vnd.vega"):
        return f"{_vega(value)}, {size}"
    return f"{_NAMES.get(mime_type, mime_type[:_LONGEST_TYPE])}, {size}"


def _plotly(figure: dict[str, Any]) -> str:
    found = figure.get("data")
    traces = [trace for trace in found if isinstance(trace, dict)] if isinstance(found, list) else []
    kinds = list(dict.fromkeys(str(trace.get("type", "scatter"))[:20] for trace in traces))
    layout = figure.get("layout")
    title = layout.get("title") if isinstance(layout, dict) else None
    title = title.get("text") if isinstance(title, dict) else title
    named = f" {title[:80]!r}" if isinstance(title, str) and title else ""
    return f"{len(traces)} {'trace' if len(traces) == 1 else 'traces'} ({', '.join(kinds[:5])}){named}"


def _vega(value: Any) -> str:
    mark = value.get("mark") if isinstance(value, dict) else None
    mark = mark.get("type") if isinstance(mark, dict) else mark
    return f"a vega chart ({mark[:20]})" if isinstance(mark, str) else "a vega chart"


def _size(mime_type: str, value: Any) -> str:
    if is_binary(mime_type):
        return kilobytes(len(joined(value)) * 3 // 4)
    text = joined(value)
    return kilobytes(len(text) if text else _json_length(value))


def _json_length(value: Any, deep: int = 3) -> int:
    """Return about how long a value's JSON is; in pieces, since its making lets no other thread run."""
    if deep and isinstance(value, dict):
        return sum(len(str(key)) + 6 + _json_length(item, deep - 1) for key, item in value.items())
    if deep and isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return sum(2 + _json_length(item, deep - 1) for item in value)
    return len(json.dumps(value, ensure_ascii=False, default=str))


def kilobytes(size: int) -> str:
    """Return a size in words."""
    if size < 1000:  # noqa: PLR2004 - a kilobyte
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"  # noqa: PLR2004 - a megabyte


def traceback_of(output: Output) -> str:
    """Return an error as text: what was raised, then where, one line a frame with the code that ran there."""
    last = f"{output.get('ename', 'Error')}: {without_codes(str(output.get('evalue', '')))}".removesuffix(": ")
    lines = traceback_lines(output)
    return "\n".join([last, *frames(lines)])


def traceback_lines(output: Output) -> list[str]:
    """Return an error's whole traceback as lines without colours."""
    found = output.get("traceback")
    return without_codes("\n".join(map(str, found)) if isinstance(found, list) else str(found or "")).split("\n")


def frames(lines: list[str]) -> list[str]:
    """Return a line for each frame of IPython's or Python's traceback, with the line of code; nothing of others'.

    What was raised before, where an exception led to another, stands between them.
    """
    found: list[str] = []
    for at, line in enumerate(lines):
        text = line.strip()
        if _FRAME.match(text):
            found.append(text)
            follows = lines[at + 1].strip() if at + 1 < len(lines) else ""
            if follows and not _NUMBERED.match(follows) and not _FRAME.match(follows):
                found[-1] += f": {follows}"
        elif found and (arrow := _ARROW.match(text)):
            found[-1] += f": {text[arrow.end() :].strip()}"
        elif found and at + 2 < len(lines) and _RAISED.match(line):
            found.append(f"then, after {text}")
    return found
