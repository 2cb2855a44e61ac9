"""Sphinx's source folder: docs/ as it is, what it links to beside it, and links between them that hold there.

A page's links are those of the repository, so that they work on a code host. Here ``docs/`` is the top, and other files
of the repository lie below ``repository/``. The navigation is the list in ``docs/README.md``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from docs.site.decisions import index_of_decisions
from docs.site.llms import llms_full, llms_index

FRONT = PurePosixPath("docs/README.md")
DECISIONS = PurePosixPath("docs/decisions")
BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "env/README.md")
"""Pages outside docs/ that are of the site."""
ELSEWHERE = ("docs/pypi.md",)
"""Pages in docs/ that are not."""
_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<target>[^)#\s]+)\)(?:: (?P<about>.+?))?$", re.MULTILINE)
_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)


class LinkFaultError(Exception):
    """A link of a page that leads nowhere in the repository."""


@dataclass(frozen=True)
class Entry:
    """A line of the navigation."""

    title: str
    page: PurePosixPath
    """Where the page is staged."""
    about: str


@dataclass
class _Stage:
    root: Path
    source: Path
    copied: set[PurePosixPath] = field(default_factory=set)

    def page(self, page: PurePosixPath) -> str:
        """Return a page's text with the links that it has on the site, and copy the files that it links to."""
        text = (self.root / page).read_text(encoding="utf-8")
        return _outside_fences(text, lambda prose: _LINK.sub(lambda link: self._link(page, link), prose))

    def _link(self, page: PurePosixPath, link: re.Match[str]) -> str:
        target, _, anchor = link[2].partition("#")
        if not target or re.match(r"[a-z][a-z0-9+.-]*:", target):
            return link[0]
        place = PurePosixPath(os.path.normpath(page.parent / target))
        if place == DECISIONS:
            place = DECISIONS / "README.md"
        elif place.is_relative_to("..") or not (self.root / place).is_file():
            raise LinkFaultError(f"{page}: {link[2]} is no file of the repository")
        elif not is_page(place):
            self._copy(place)
        there = os.path.relpath(staged(place), staged(page).parent)
        return f"{link[1]}{there}{'#' if anchor else ''}{anchor}{link[3]}"

    def _copy(self, file: PurePosixPath) -> None:
        if file not in self.copied:
            self.copied.add(file)
            target = self.source / staged(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / file, target)


def stage(root: Path, source: Path) -> None:
    """Write Sphinx's sources of a repository into a folder.

    Raises:
        LinkFaultError: a page links to a file that is not there.

    """
    work = _Stage(root, source)
    texts = {page: work.page(page) for page in pages(root)}
    decisions = sorted((root / DECISIONS).glob("[0-9]*.md"))
    texts[DECISIONS / "README.md"] = index_of_decisions(decisions)
    front = texts[FRONT]
    texts[FRONT] = front + "".join(_trees(front))
    for page, text in texts.items():
        target = source / staged(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    sections = navigation(front)
    (source / "llms.txt").write_text(llms_index(front, sections), encoding="utf-8")
    (source / "llms-full.txt").write_text(llms_full(source, sections), encoding="utf-8")


def pages(root: Path) -> list[PurePosixPath]:
    """Return the pages of the site, by their place in the repository."""
    inside = (PurePosixPath(path.relative_to(root).as_posix()) for path in (root / "docs").rglob("*.md"))
    return sorted([*(PurePosixPath(page) for page in BESIDE), *(page for page in inside if is_page(page))])


def is_page(file: PurePosixPath) -> bool:
    """Return whether a file of the repository is a page of the site."""
    name = file.as_posix()
    return name in BESIDE or (file.suffix == ".md" and file.is_relative_to("docs") and name not in ELSEWHERE)


def staged(file: PurePosixPath) -> PurePosixPath:
    """Return where a file of the repository is in Sphinx's sources."""
    if file == FRONT:
        return PurePosixPath("index.md")
    if file == DECISIONS / "README.md":
        return PurePosixPath("decisions/index.md")
    return file.relative_to("docs") if file.is_relative_to("docs") else "repository" / file


def navigation(front: str) -> dict[str, list[Entry]]:
    """Return what the front page lists, by section."""
    titles = list(_SECTION.finditer(front))
    ends = [*(title.start() for title in titles[1:]), len(front)]
    found: dict[str, list[Entry]] = {}
    for title, end in zip(titles, ends, strict=True):
        entries = [
            Entry(entry["title"], PurePosixPath(entry["target"]), (entry["about"] or "").strip())
            for entry in _ENTRY.finditer(front, title.end(), end)
        ]
        if entries:
            found[title["title"]] = entries
    return found


def _trees(front: str) -> Iterator[str]:
    for section, entries in navigation(front).items():
        names = "\n".join(f"{entry.title} <{entry.page.with_suffix('')}>" for entry in entries)
        yield f"\n```{{toctree}}\n:caption: {section}\n:hidden:\n\n{names}\n```\n"


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    found: list[str] = []
    at = 0
    for fence in _FENCE.finditer(text):
        found += [change(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*found, change(text[at:])])
