"""The list of decisions on the site: made of their headings, so that none is forgotten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_HEADING = re.compile(r"^# (?:(?:ADR )?\d+[.:]? )?(?P<title>.+)$", re.MULTILINE)
_HEAD = """# Decisions

What was decided, why, and what it costs: a page each, by number. A number says nothing of importance.

"""


def index_of_decisions(files: Sequence[Path]) -> str:
    """Return the page that lists these decisions.

    Raises:
        ValueError: one has no heading.

    """
    lines: list[str] = []
    for file in files:
        heading = _HEADING.search(file.read_text(encoding="utf-8"))
        if heading is None:
            raise ValueError(f"{file} has no heading")
        lines.append(f"- {int(file.name[:4])}: [{heading['title']}]({file.name})\n")
    names = "\n".join(file.stem for file in files)
    return f"{_HEAD}{''.join(lines)}\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
