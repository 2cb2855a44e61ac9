"""What a page says that a command prints, held to what it prints."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SIZE = re.compile(r"(\d[\d,.]*) ([kMG]B)\b")
_CLOSE = 0.05  # a page is written anew when a size has changed by more than a twentieth


def difference(shown: str, told: str) -> str:
    """Return where what was printed is not what a page shows; nothing, if it is.

    As in doctest, `...` stands for anything in a line, and alone in a line for any number of lines. Sizes may differ by
    a twentieth. Lines of nox, which say what it runs, colours and the widths of columns don't count.
    """
    lines = [" ".join(line.split()) for line in _COLOURS.sub("", told).splitlines()]
    printed = "".join(f"{line}\n" for line in lines if not line.startswith("nox > "))
    wanted = [" ".join(line.split()) for line in shown.splitlines()]
    found = re.fullmatch("".join(map(_pattern, wanted)), printed)
    if found is None:
        return f"the page shows\n{shown}\nand it printed\n{printed}"
    sizes = [match for line in wanted if line != "..." for match in _SIZE.findall(line)]
    for (number, unit), now in zip(sizes, found.groups(), strict=True):
        then, size = (float(one.replace(",", "")) for one in (number, now))
        if abs(then - size) > _CLOSE * then:
            return f"the page says {number} {unit}, and it is {now} {unit} now"
    return ""


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*?"
    parts = _SIZE.split(line)
    # Text, number and unit by turns, and text at the end.
    texts = [".*?".join(map(re.escape, part.split("..."))) for part in parts[::3]]
    sizes = [rf"(\d[\d,.]*) {unit}" for unit in parts[2::3]]
    return "".join(text + size for text, size in zip(texts, [*sizes, ""], strict=True)) + r"\n"
