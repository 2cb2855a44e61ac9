"""Searching many notebooks: live content where one is open, and an end to every search, whatever the pattern."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mcp.errors import BadPathError, BadPatternError
from jupyter_mcp.notebooks import search as searching
from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.looking import Looking
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.notebooks.search import Hits, Query, Search
from tests.support.rooms import Workshop, workshop

# Upstream leaves the streams of a room that it stops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CELLS = Cells(typing_grace=0)


def run(folder: Path, job: Callable[[Workshop, Search], Awaitable[None]], **options: Any) -> None:
    async def with_rooms() -> None:
        async with workshop(folder) as rooms:
            notebooks = Notebooks(rooms.settings, rooms.rooms, CELLS, max_watchers=1)
            await job(rooms, Search(Looking(notebooks), **options))

    asyncio.run(with_rooms())


def write(root: Path, path: str, *sources: str, outputs: Any = ()) -> None:
    cells = [
        nbformat.v4.new_code_cell(source, id=f"id-{number}", outputs=list(outputs))
        for number, source in enumerate(sources)
    ]
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)))


def places(hits: Hits) -> list[tuple[str, str, int]]:
    return [(match["path"], match["id"], match["line"]) for match in hits.matches]


def test_a_text_is_found_with_cells_and_lines_and_patterns_are_no_expressions_unless_asked(tmp_path: Path) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "x = 1\ny = f(x)", "f(x)")
        write(rooms.root, "d/b.ipynb", "F(X)")
        write(rooms.root, ".hidden/c.ipynb", "f(x)")
        hits = await search(Query("f(x)"))
        assert places(hits) == [("a.ipynb", "id-0", 2), ("a.ipynb", "id-1", 1)]
        assert [match["text"] for match in hits.matches] == ["y = f(x)", "f(x)"]
        assert (hits.searched, hits.total, hits.notices) == (2, 2, [])
        assert places(await search(Query("f(x)", folder="d", ignore_case=True))) == [("d/b.ipynb", "id-0", 1)]
        assert places(await search(Query(r"^f\(.\)$", regex=True))) == [("a.ipynb", "id-1", 1)]
        limited = await search(Query("f(x)", ignore_case=True, limit=1))
        assert (len(limited.matches), limited.total) == (1, 3)

    run(tmp_path, job)


def test_of_an_open_notebook_the_live_content_is_searched(tmp_path: Path) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "old")
        live = await rooms.rooms.join("a.ipynb")
        CELLS.insert(live, 0, "new", "code", None, None)
        hits = await search(Query("new"))
        assert places(hits) == [("a.ipynb", live.cell(0)["id"], 1)]
        assert hits.matches[0]["index"] == 0

    run(tmp_path, job)


def test_outputs_are_searched_where_that_is_asked(tmp_path: Path) -> None:
    outputs = [
        nbformat.v4.new_output("stream", text="one\nneedle"),
        nbformat.v4.new_output("error", ename="E", evalue="e", traceback=["\x1b[31mnee\x1b[0mdle", "x"]),
        nbformat.v4.new_output("display_data", {"text/plain": "a needle", "image/png": "needle"}),
    ]

    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "x", outputs=outputs)
        assert (await search(Query("needle"))).matches == []
        hits = await search(Query("needle", within="outputs"))
        assert [(match["output"], match["line"]) for match in hits.matches] == [(0, 2), (1, 1), (2, 1)]
        assert (await search(Query("x", within="all"))).total == 2

    run(tmp_path, job)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(x+x+)+y", "(a|a)*b"])
def test_an_expression_that_would_never_end_is_ended_and_the_server_goes_on_meanwhile(
    tmp_path: Path, pattern: str
) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "a" * 60 + "!", "x" * 60)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        hits = await search(Query(pattern, regex=True))
        ticking.cancel()
        assert "stopped after 1 s with 0 of 1 notebooks" in hits.notices[0]
        assert "use a simpler expression" in hits.notices[0]
        assert ticks > 10

    run(tmp_path, job, within=1.0)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query("("), None),
        (Query("(", regex=True), "no regular expression of Python: missing"),
        (Query("x{99999999999999}", regex=True), "no regular expression"),
        (Query(""), "1 to 1000 characters"),
        (Query("x" * 1001), "1 to 1000 characters"),
    ],
)
def test_a_pattern_that_can_not_be_used_is_refused(tmp_path: Path, query: Query, said: str | None) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "f(")
        if said is None:
            assert (await search(query)).total == 1
            return
        with pytest.raises(BadPatternError, match=said):
            await search(query)

    run(tmp_path, job)


@pytest.mark.parametrize("folder", ["..", "a/../..", "none", ".hidden", "/../x", "%2e%2e", "link"])
def test_no_folder_leads_out_of_the_root(tmp_path: Path, folder: str) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        (rooms.root / ".hidden").mkdir()
        (tmp_path / "outside").mkdir()
        (rooms.root / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(BadPathError):
            await search(Query("x", folder=folder))

    run(tmp_path, job)


def test_odd_notebooks_are_counted_and_hide_no_other(tmp_path: Path) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        odd = {
            "a.ipynb": "no JSON",
            "b.ipynb": "[" * 100_000,
            "c.ipynb": '{"cells": [null, 3, {"source": 7}, {"outputs": [3, {"text": {}}], "source": ["x", 3]}]}',
            "d.ipynb": '{"cells": 3}',
            "e.ipynb": "3",
            "f.ipynb": '{"worksheets": [{"cells": [{"cell_type": "code", "input": "old x"}]}]}',
        }
        for name, text in odd.items():
            (rooms.root / name).write_text(text)
        write(rooms.root, "z.ipynb", "x")
        hits = await search(Query("x", within="all"))
        assert hits.searched == 7
        assert {match["path"] for match in hits.matches} == {"c.ipynb", "f.ipynb", "z.ipynb"}
        assert hits.notices == ["2 notebooks can't be read or are too large, first a.ipynb, b.ipynb"]

    run(tmp_path, job)


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
def test_cells_without_lasting_ids_get_those_that_get_notebook_gives(tmp_path: Path) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        cell = {
            "id": "same",
            "cell_type": "code",
            "source": "x",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        doubled = {"cells": [cell, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (rooms.root / "a.ipynb").write_text(json.dumps(doubled))
        hits = await search(Query("x"))
        assert hits.matches[0]["id"]
        assert hits.matches[0]["id"] != hits.matches[1]["id"]

    run(tmp_path, job)


def test_a_long_line_is_shown_around_the_place(tmp_path: Path) -> None:
    async def job(rooms: Workshop, search: Search) -> None:
        write(rooms.root, "a.ipynb", "a" * 10_000 + "needle" + "b" * 10_000)
        (match,) = (await search(Query("needle"))).matches
        assert "needle" in match["text"]
        assert len(match["text"]) < 200

    run(tmp_path, job)


def test_more_notebooks_than_one_search_takes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_FILES", 2)

    async def job(rooms: Workshop, search: Search) -> None:
        for name in "abc":
            write(rooms.root, f"{name}.ipynb", "x")
        hits = await search(Query("x"))
        assert hits.searched == 2
        assert hits.notices == ["only the first 2 of 3 notebooks; name a smaller `folder`"]

    run(tmp_path, job)
