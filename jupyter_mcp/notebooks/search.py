"""Searching sources and outputs of many notebooks: of what is open the live content, of the rest the files."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastmcp.exceptions import ToolError

from jupyter_mcp.errors import BadPatternError

from .looking import Looking

WITHIN = 15.0  # seconds that a search may take
MOST_FILES = 5000
LONGEST_PATTERN = 1000  # characters
_AT_ONCE = 2  # searches; others wait
_LINE = 1 << 20  # bytes of a line of the worker
WORKER = Path(__file__).with_name("search_worker.py")


@dataclass(frozen=True)
class Query:
    """What is searched for. `within` is sources, outputs or all."""

    pattern: str
    folder: str = ""
    within: str = "sources"
    regex: bool = False
    ignore_case: bool = False
    limit: int = 50


@dataclass
class Hits:
    """What was found; `notice` says what was left out, empty if nothing was."""

    matches: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    searched: int = 0
    skipped: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Search:
    """Searches, a few at a time, each in a process that is ended after `within` seconds."""

    def __init__(self, looking: Looking, *, within: float = WITHIN) -> None:
        self._looking = looking
        self._notebooks = looking.notebooks
        self._within = within
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, query: Query) -> Hits:
        """Return where the pattern is, in the order of paths. Raises BadPatternError and BadPathError."""
        if not query.pattern or len(query.pattern) > LONGEST_PATTERN:
            raise BadPatternError(f"`pattern` is a text of 1 to {LONGEST_PATTERN} characters.")
        found = await self._looking.find_notebooks(query.folder, "")
        paths = [entry.path for entry in found.entries]
        hits = Hits()
        if not found.complete:
            hits.notices.append("not every folder was looked into; name a smaller `folder`")
        if len(paths) > MOST_FILES:
            hits.notices.append(f"only the first {MOST_FILES} of {len(paths)} notebooks; name a smaller `folder`")
        async with self._turns, _worker() as worker:
            try:
                async with asyncio.timeout(self._within):
                    await self._run(worker, query, paths[:MOST_FILES], hits)
            except TimeoutError:
                told = "use a simpler expression, or " if query.regex else ""
                hits.notices.append(
                    f"stopped after {self._within:g} s with {hits.searched} of {len(paths)} notebooks searched; "
                    f"{told}name a smaller `folder`"
                )
        if hits.skipped:
            first = ", ".join(hits.skipped[:3])
            hits.notices.append(f"{len(hits.skipped)} notebooks can't be read or are too large, first {first}")
        await self._name_cells(hits)
        return hits

    async def _run(self, worker: Process, query: Query, paths: Sequence[str], hits: Hits) -> None:
        feeding = asyncio.create_task(self._feed(worker, query, paths))
        try:
            await _collect(worker, hits)
            with suppress(ConnectionError):  # the worker ended before it had taken all
                await feeding
        finally:
            feeding.cancel()

    async def _feed(self, worker: Process, query: Query, paths: Sequence[str]) -> None:
        assert worker.stdin is not None  # noqa: S101 - for the type checker: it was asked for
        wanted = {key: getattr(query, key) for key in ("pattern", "within", "regex", "ignore_case", "limit")}
        worker.stdin.write(json.dumps(wanted).encode() + b"\n")
        root, live = self._notebooks.root, self._notebooks.rooms.open_paths()
        for path in paths:
            if root and path not in live:
                entry: dict[str, Any] = {"path": path, "file": os.path.join(root, path)}  # noqa: PTH118 - of thousands
            else:
                entry = {"path": path, "content": await self._content(path, query.within)}
            worker.stdin.write(json.dumps(entry).encode() + b"\n")
            await worker.stdin.drain()
        worker.stdin.close()

    async def _content(self, path: str, within: str) -> dict[str, Any] | None:
        try:
            cells = (await self._notebooks.get(path))["cells"]
        except ToolError:
            return None  # is counted as one that can't be read
        left_out = ("outputs", "attachments", "metadata") if within == "sources" else ("attachments", "metadata")
        return {"cells": [{key: item for key, item in cell.items() if key not in left_out} for cell in cells]}

    async def _name_cells(self, hits: Hits) -> None:
        """Set the cell's id on each match, as get_notebook does; files may have none, or one twice."""
        by_path: dict[str, list[dict[str, Any]]] = {}
        for match in hits.matches:
            by_path.setdefault(match["path"], []).append(match)
        for path, matches in by_path.items():
            if all(match["id"] for match in matches):
                continue
            with suppress(ToolError):
                cells = (await self._notebooks.get(path))["cells"]
                for match in matches:
                    if match["index"] < len(cells):
                        match["id"] = cells[match["index"]].get("id")


@asynccontextmanager
async def _worker() -> AsyncIterator[Process]:
    """Start a worker, and end it."""
    # Without the user's packages and settings: it needs none, and starts in a few hundredths of a second.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-X", "utf8", str(WORKER), stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=_LINE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _collect(worker: Process, hits: Hits) -> None:
    assert worker.stdout is not None  # noqa: S101 - likewise
    async for line in worker.stdout:
        told = json.loads(line)
        if "bad" in told:
            raise BadPatternError(f"`pattern` is no regular expression of Python: {told['bad']}.")
        if "text" in told:
            hits.matches.append(told)
            continue
        hits.total += told["count"]
        hits.searched += 1
        if "skipped" in told:
            hits.skipped.append(told["skipped"])
