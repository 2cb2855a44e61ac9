"""The page that tells what hosts show: docs/reference/hosts.md."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .seen import Seen

_WIDTH = 118
_HEAD = """\
# What hosts show to their models

`./noxw -s hosts` ran real hosts from npm on {day} against a scripted model on loopback that calls `get_cell` for cells
with these outputs, and for the picture also `get_output`, by the address and over `jupyter mcp stdio`. Each host was
told of the server in the form that `jupyter mcp connect` writes. The figures are characters that the host put before
its model, the cell's source among them (some 60 to 230), and pictures; the first of them stand below.
"""
_FOOT = """\
Codex shows structured content alone where there is any, cut off at 12,000 characters, without pictures: so the marker
in it names `get_output`, which has none. OpenCode and Gemini CLI show the text and the pictures. Claude Code and
VS Code show structured content and the pictures, by their changelogs. `tests/live/test_replies.py` plays the rules of
Codex, Claude Code and Gemini CLI over the same outputs, in both eras.
"""


@dataclass(frozen=True)
class Row:
    """An output, and what each host showed of it."""

    title: str
    shown: Mapping[str, Seen]


def page(rows: Sequence[Row], versions: Mapping[str, str], day: dt.date) -> str:
    """Return the page's text."""
    lines = [_HEAD.format(day=day.isoformat())]
    lines.append(
        "| output of the cell | " + " | ".join(f"{title} {version}" for title, version in versions.items()) + " |"
    )
    lines.append("| --- |" + " --- |" * len(versions))
    lines += [
        f"| {row.title} | " + " | ".join(_figure(row.shown.get(title)) for title in versions) + " |" for row in rows
    ]
    lines += ["", _FOOT, "## How the texts begin\n"]
    for row in rows:
        blocks = [f"{title}:\n{_begin(found)}" for title, found in row.shown.items()]
        lines.append(f"**{row.title}**\n\n```text\n" + "\n\n".join(blocks) + "\n```\n")
    return "\n".join(lines)


def _figure(found: Seen | None) -> str:
    if found is None:
        return "nothing"
    pictures = {0: "no picture", 1: "the picture"}.get(found.pictures, f"{found.pictures} pictures")
    return f"{len(found.text):,}, {pictures}" + (", **bytes in the text**" if found.has_bytes else "")


def _begin(found: Seen) -> str:
    lines = textwrap.wrap(found.first_line, _WIDTH, subsequent_indent="  ", initial_indent="  ", break_on_hyphens=False)
    return "\n".join(lines or ["  (no text)"])
