"""The documentation as a reader meets it: its pages, their fenced blocks, and the commands that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
_OPENING = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*|\{[\w-]+\})\s*$")
_COMMENT = re.compile(r"^ *<!-- (?P<kind>not run|run by|file|output)(?:: (?P<what>.+?))? -->$")
_SPAN = re.compile(r"`([^`\n]+)`")
_PROGRAM = r"(?:\./noxw|jupyter mcp|jupyter lab|jupyter-mcp-rooms|python3? -m (?:images|env|benchmarks|docs|tests)\b)"
_OURS = re.compile(rf"\$\(({_PROGRAM}[^)]*)\)|^(?:- )?(?:run: |chrt -r 1 |nohup |sudo )?({_PROGRAM}(?:[ .].*)?$)")
# What ends a command in a shell's line.
_ENDS = {"|", ">", ">>", "<", "&&", "||", ";", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block. The comment before it says why it is not run, what runs it, or which file it is."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None = None
    run_by: str | None = None
    """The test, or the program, that runs it: FILE or FILE::TEST."""
    file: str | None = None
    output: str | None = None
    """What the page says that it prints: the `text` block after it, below `<!-- output -->`."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return the pages that tell how something is done; decisions tell what was decided."""
    beside = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "env/README.md")
    found = [*(ROOT / name for name in beside), *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in found if "decisions" not in page.parts)


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    comment: re.Match[str] | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        if opening := _OPENING.match(line):
            end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
            text = "\n".join(one.removeprefix(opening["indent"]) for one in lines[number + 1 : end]) + "\n"
            notes = {comment["kind"]: comment["what"]} if comment else {}
            if "output" in notes:
                # Of the last block of commands: what stands between, in words, is about both.
                last = max(i for i, one in enumerate(found) if one.language == "sh")
                found[last] = replace(found[last], output=text)
            told = {"not_run": notes.get("not run"), "run_by": notes.get("run by"), "file": notes.get("file")}
            found.append(Block(page, number + 1, opening["language"], text, **told))
            comment, number = None, end
        elif line.strip():
            comment = _COMMENT.match(line)
        number += 1
    return found


def shell_lines(text: str) -> list[str]:
    """Return the command lines of a block: continued ones joined, without comments and empty ones."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Return what a page would have a reader run of ours, in blocks and in text: the line, its words up to a pipe."""
    text = page.read_text(encoding="utf-8")
    found = [block for block in blocks(page) if block.language != "python"]
    # In help, what stands apart to the right says what a command does.
    texts = [re.sub(r"(?<=\S)  +\S.*", "", block.text) if block.language == "text" else block.text for block in found]
    lines = [line for text in texts for line in shell_lines(text)]
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    # A code span goes on over the end of a line.
    lines += _SPAN.findall(re.sub(r"\n\s*", " ", prose))
    for line in lines:
        for inner, whole in _OURS.findall(line):
            yield line, _words(inner or whole)


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in _ENDS or word == ">":
            break
        words.append(word)
    return words


def write_files(page: Path, folder: Path, prefix: str) -> None:
    """Write the files of a page whose names begin with `prefix` into a folder, without the prefix."""
    for block in blocks(page):
        if block.file and block.file.startswith(prefix):
            target = folder / block.file.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
