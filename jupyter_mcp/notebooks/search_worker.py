"""Searches notebooks in a process of its own, which is ended when it takes too long: no pattern can hold the server.

It is run by its path, on Python's own library alone. Standard input has a line of JSON with what is wanted, then one
for each notebook: its `path`, and its `file` or its `content`. Standard output gets a line for each finding, and one
for each notebook that is done.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LARGEST = 64 << 20  # bytes of a notebook that is read
MEMORY = 2 << 30  # bytes that the process may take
CPU = 60  # seconds
SHOWN = 160  # characters of a line
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

Find = Callable[[str], int]


def finder(wanted: dict[str, Any]) -> Find:
    """Return what gives the place of the pattern in a line, -1 if it is not there. Raises re.error."""
    pattern, ignore_case = wanted["pattern"], wanted["ignore_case"]
    if not wanted["regex"]:
        if not ignore_case:
            return lambda line: line.find(pattern)
        folded = pattern.casefold()
        return lambda line: line.casefold().find(folded)
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)

    def find(line: str) -> int:
        match = compiled.search(line)
        return -1 if match is None else match.start()

    return find


def text_of(value: Any) -> str:
    """Return a text that nbformat has as one or as lines."""
    if isinstance(value, list):
        value = "".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def cells_of(notebook: Any) -> list[dict[str, Any]]:
    """Return the cells of a notebook of any format that is read."""
    if not isinstance(notebook, dict):
        return []
    cells = notebook.get("cells")
    if cells is None:
        sheets = notebook.get("worksheets")
        parts = [sheet.get("cells") or [] for sheet in sheets if isinstance(sheet, dict)] if sheets else []
        cells = [cell for part in parts for cell in part]
    return [cell if isinstance(cell, dict) else {} for cell in cells] if isinstance(cells, list) else []


def outputs_of(cell: dict[str, Any]) -> Iterator[str]:
    """Yield the readable text of each output."""
    for output in cell.get("outputs") or ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        parts = [output.get("text"), output.get("traceback") or output.get("evalue")]
        if isinstance(data, dict):
            parts += [data.get("text/plain"), data.get("text/markdown")]
        if isinstance(output.get("traceback"), list):
            parts[1] = "\n".join(one for one in output["traceback"] if isinstance(one, str))
        yield _ANSI.sub("", "\n".join(text for part in parts if (text := text_of(part)) != ""))


def findings(notebook: Any, find: Find, within: str) -> Iterator[dict[str, Any]]:
    """Yield where the pattern is: cell, line and the line's text."""
    cells = cells_of(notebook)
    ids = [cell.get("id") for cell in cells]
    if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) < len(ids):
        ids = [None] * len(cells)  # the server knows what it calls them
    for index, cell in enumerate(cells):
        texts: list[tuple[int | None, str]] = []
        if within != "outputs":
            texts.append((None, text_of(cell.get("source", cell.get("input")))))
        if within != "sources":
            texts.extend(enumerate(outputs_of(cell)))
        for output, text in texts:
            for number, line in enumerate(text.split("\n"), 1):
                place = find(line)
                if place >= 0:
                    found = {"id": ids[index], "index": index, "line": number, "text": shown(line, place)}
                    yield found if output is None else {**found, "output": output}


def shown(line: str, place: int) -> str:
    """Return the line, or what is around the place if it is long."""
    if len(line) <= SHOWN:
        return line.strip()
    start = max(0, min(place - SHOWN // 4, len(line) - SHOWN))
    return f"{'…' if start else ''}{line[start : start + SHOWN].strip()}{'…' if start + SHOWN < len(line) else ''}"


def read(entry: dict[str, Any]) -> Any:
    """Return the notebook of an entry. Raises OSError, ValueError and RecursionError."""
    if "content" in entry:
        if entry["content"] is None:
            raise ValueError("unreadable")
        return entry["content"]
    file = Path(entry["file"])
    if file.stat().st_size > LARGEST:
        raise ValueError("too large")
    return json.loads(file.read_bytes())


def main() -> None:
    """Search what standard input names."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    wanted = json.loads(sys.stdin.readline())
    try:
        find = finder(wanted)
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        tell({"bad": str(error)[:200] or type(error).__name__})
        return
    left = wanted["limit"]
    for line in sys.stdin:
        entry = json.loads(line)
        count = 0
        try:
            for found in findings(read(entry), find, wanted["within"]):
                count += 1
                if left > 0:
                    left -= 1
                    tell({"path": entry["path"], **found})
        except (OSError, ValueError, RecursionError, MemoryError, AttributeError, TypeError):
            tell({"skipped": entry["path"], "count": count})
        else:
            tell({"done": entry["path"], "count": count})


def tell(what: dict[str, Any]) -> None:
    """Write a line for the server."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
