"""The notes of a release: the changelog's section of that version, in a form that reads outside the repository too."""

from __future__ import annotations

import re
from dataclasses import dataclass

from release.errors import NoNotesError
from release.versions import UNRELEASED

_HEADING = re.compile(r"## +\[?(?P<name>[^\]\s]+)\]?(?:[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
_DEFINITION = re.compile(r"(?m)^\[(?P<label>[^\]]+)\]: *(?P<target>\S+) *$\n?")
_ABSOLUTE = re.compile(r"[a-z][a-z+.-]*:")


@dataclass(frozen=True)
class Notes:
    """What a section of the changelog says."""

    heading: str
    """The version, or Unreleased."""
    text: str


def notes_of(changelog: str, version: str, *, draft: bool = False) -> Notes:
    """Return the section of a version; with `draft`, that of what is unreleased where there is none.

    Raises:
        NoNotesError: there is none, or it is empty.

    """
    sections = _sections(changelog)
    name = UNRELEASED if draft and version not in sections and UNRELEASED in sections else version
    if name not in sections:
        raise NoNotesError(version)
    text = _readable(sections[name], {one["label"]: one["target"] for one in _DEFINITION.finditer(changelog)}).strip()
    if not re.sub(r"(?m)^#+ .*$", "", text).strip():
        raise NoNotesError(version, empty=name)
    return Notes(name, f"{text}\n")


def _sections(changelog: str) -> dict[str, str]:
    """Return the text below each second-level heading; of two with one name, the first."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    fence = ""
    for line in changelog.splitlines(keepends=True):
        if opened := _FENCE.match(line):
            if not fence:
                fence = opened[1]
            elif opened[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        # What a fenced block shows is no heading of ours.
        elif not fence and (heading := _HEADING.match(line)):
            lines = []
            found.setdefault(heading["name"], lines)
            continue
        lines.append(line)
    return {name: "".join(those) for name, those in found.items()}


def _readable(section: str, definitions: dict[str, str]) -> str:
    """Return a section without links that lead only where the repository is: they become the file's name."""

    def told(link: re.Match[str]) -> str:
        target = link["target"]
        if _ABSOLUTE.match(target):
            return link[0]
        return link["text"] if target.startswith("#") else f"{link['text']} (`{target.partition('#')[0]}`)"

    text = _LINK.sub(told, _DEFINITION.sub("", section)).rstrip()
    # Where the last section ends, a changelog defines what all of them refer to.
    used = [
        f"[{label}]: {target}"
        for label, target in definitions.items()
        if f"[{label}]" in text and _ABSOLUTE.match(target)
    ]
    return "\n".join((text, "", *used)) if used else text
