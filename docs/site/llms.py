"""What programs that read documentation look for: llms.txt (https://llmstxt.org), a list of the pages as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.site.staging import Entry

SOURCES = "_sources"
"""Where Sphinx keeps each page's Markdown."""


def llms_index(front: str, sections: Mapping[str, Sequence[Entry]]) -> str:
    """Return llms.txt: the front page's title and first paragraph, and each page of the navigation."""
    title, paragraph = re.findall(r"\S.*?(?=\n\n|\Z)", front, re.DOTALL)[:2]
    quote = " ".join(re.sub(r"[*`]", "", paragraph).split())
    return "\n".join([title, "", f"> {quote}", "", *_lists(sections)]) + "\n"


def llms_full(source: Path, sections: Mapping[str, Sequence[Entry]]) -> str:
    """Return the texts of all pages of the navigation, one after the other."""
    pages = (entry.page for entries in sections.values() for entry in entries)
    return "\n\n".join((source / page).read_text(encoding="utf-8").strip() for page in pages) + "\n"


def _lists(sections: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    for section, entries in sections.items():
        yield from (f"## {section}", "")
        for entry in entries:
            about = f": {entry.about}" if entry.about else ""
            yield f"- [{entry.title}]({SOURCES}/{entry.page}){about}"
        yield ""
