"""Text for a model out of what terminals and browsers show: no escape codes, no markup. Linear in its input."""

from __future__ import annotations

import html
import re

_PIECE = 1 << 16  # characters that are worked on at once: a regular expression lets no other thread run meanwhile
# ECMA-48: control sequences, control strings, and the two-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[PX\]^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TAG = re.compile(r"/?[A-Za-z][A-Za-z0-9-]*")
_NO_CHARACTER = re.compile("&#[0-9]{20,};?")
_STOP = re.compile("[\"'>]")
_RAW = ("script", "style", "svg", "template", "title")  # whose content is no text of the page
_LINES = {"p", "div", "br", "tr", "li", "ul", "ol", "table", "pre", "section", "hr", "details", "summary", "dt", "dd"}
_CELL = "\0"  # in the place of a cell's start
_CELLS = ("td", "th")
_END_OF_CELL = ("/td", "/th", "tr", "/tr", "table", "/table", "tbody", "/tbody", "/thead")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def without_codes(text: str) -> str:
    """Return text as it looks in a terminal: no colours, no other control characters, each line as it was left."""
    if len(text) <= _PIECE:
        return _plain(text)
    return "".join(_plain(piece) for piece in _pieces(text))


def _plain(text: str) -> str:
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPES.sub("", text)
    if "\r" in text:
        text = "\n".join(_as_left(line) for line in text.replace("\r\n", "\n").split("\n"))
    return text if text.isprintable() else _CONTROLS.sub("", text)


def _as_left(line: str) -> str:
    """Return what a line shows whose start was written again and again, as progress bars do."""
    return next((part for part in reversed(line.split("\r")) if part), "")


def _pieces(text: str) -> list[str]:
    """Cut a long text after line ends."""
    pieces, start = [], 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1
        end = min(end or len(text), start + 4 * _PIECE)
        pieces.append(text[start:end])
        start = end
    return pieces


def text_of_html(page: str) -> str:
    """Return the text of HTML: blocks on lines of their own, the cells of a table's row between bars."""
    parts: list[str] = []
    page = page.replace(_CELL, "")
    lowered, at, in_cell = page.lower(), 0, False
    while at < len(page):
        opening = page.find("<", at)
        if opening < 0:
            parts.append(_words(page[at:]))
            break
        if opening > at:
            parts.append(_words(page[at:opening]))
        at = opening + 1
        if page.startswith("!--", at):
            end = page.find("-->", at)
            at = len(page) if end < 0 else end + 3
        elif (tag := _TAG.match(lowered, at)) is not None:
            name = tag.group()
            at = _end_of_tag(page, tag.end())
            if name in _RAW:
                closing = lowered.find(f"</{name}", at)
                at = len(page) if closing < 0 else closing
            else:
                in_cell = name in _CELLS or (in_cell and name not in _END_OF_CELL)
                mark = _mark(name)
                parts.append(" " if in_cell and mark != _CELL and mark else mark)
        elif page.startswith(("!", "?"), at):
            at = _end_of_tag(page, at)
        else:
            parts.append("<")
    return _tidy("".join(parts))


def _words(text: str) -> str:
    """Return the text with its entities read and its white space as a browser shows it."""
    # Python reads no integer of so many digits, and no character has such a number.
    return re.sub(r"\s+", " ", html.unescape(_NO_CHARACTER.sub("\ufffd", text)))


def _end_of_tag(page: str, at: int) -> int:
    """Return where the tag's text ends; a quote that is never closed is no quote."""
    while (stop := _STOP.search(page, at)) is not None:
        at = stop.end()
        if stop.group() == ">":
            return at
        closing = page.find(stop.group(), at)
        if closing < 0:
            end = page.find(">", at)
            return len(page) if end < 0 else end + 1
        at = closing + 1
    return len(page)


def _mark(name: str) -> str:
    if name in _CELLS:
        return _CELL  # its end may be left out
    if name in _HEADINGS:
        return "\n" + "#" * int(name[1]) + " "
    if name == "li":
        return "\n- "
    return "\n" if name.lstrip("/") in _LINES or name.lstrip("/") in _HEADINGS else ""


def _tidy(text: str) -> str:
    rows = [_row(line) if _CELL in line else line.strip() for line in text.split("\n")]
    return re.sub(r"\n{2,}", "\n", "\n".join(rows)).strip()


def _row(line: str) -> str:
    """Return a table's row with bars between its cells."""
    before, *cells = (part.strip() for part in line.split(_CELL))
    row = " | ".join([*cells, ""]).strip().removesuffix("|").rstrip()
    return f"{before} {row}".strip()
