"""An id that was given is good in the next call, whatever the file says of ids; after a restart if it can keep it."""

from __future__ import annotations

import asyncio
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.rooms.cell_ids import NamedCells, names
from tests.support.rooms import Workshop, workshop

pytestmark = pytest.mark.filterwarnings("ignore")  # nbformat warns of what these notebooks are

SOURCES = ("a = 1", "a = 1", "", "# Title", "b = 2")


def notebooks_of(shop: Workshop) -> Notebooks:
    cells = Cells(typing_grace=0)
    return Notebooks(shop.settings, shop.rooms, cells, max_watchers=1)


def cell(source: str, cell_id: Any = None) -> dict[str, Any]:
    named = {} if cell_id is None else {"id": cell_id}
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None, **named}


def format_4(minor: int, *cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": minor}


def format_3(*sources: str) -> dict[str, Any]:
    plain = {"cell_type": "code", "language": "python", "metadata": {}, "outputs": [], "collapsed": False}
    cells = [{**plain, "input": source} for source in sources]
    return {"worksheets": [{"cells": cells, "metadata": {}}], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}


ODD = {
    "format 3": format_3(*SOURCES),
    "format 4.0": format_4(0, *map(cell, SOURCES)),
    "format 4.4": format_4(4, *map(cell, SOURCES)),
    "format 4.4 with ids": format_4(4, *(cell(source, f"c{at}") for at, source in enumerate(SOURCES))),
    "format 4.5 without ids": format_4(5, *map(cell, SOURCES)),
    "format 4.5 with doubled ids": format_4(5, *(cell(source, "same") for source in SOURCES)),
    "some ids": format_4(5, cell("a", "x"), cell("b"), cell("c", "x"), cell("d", ""), cell("a", 7), cell("e", "a b")),
    "good ids": format_4(5, *(cell(source, f"{at:08x}") for at, source in enumerate(SOURCES))),
}


async def ids(notebooks: Notebooks) -> list[str]:
    found = [one["id"] for one in (await notebooks.get("n.ipynb"))["cells"]]
    assert all(isinstance(one, str) and one for one in found)
    assert len(set(found)) == len(found)
    return found


async def update(notebooks: Notebooks, cell_id: str, source: str) -> None:
    now = await notebooks.update("n.ipynb", None, source, None, cell_id, None)
    assert now.id == cell_id
    assert (await notebooks.cell("n.ipynb", None, cell_id))["source"] == source


async def walk(folder: Path, notebook: dict[str, Any]) -> None:
    """Read, edit, close, read, restart: each id stays what it was."""
    async with workshop(folder) as shop:
        (shop.root / "n.ipynb").write_text(json.dumps(notebook))
        notebooks = notebooks_of(shop)
        first = await ids(notebooks)
        assert await ids(notebooks) == first  # closed
        for at, cell_id in enumerate(first):
            assert (await notebooks.cell("n.ipynb", None, cell_id))["index"] == at
        assert await ids(notebooks) == first  # open
        await update(notebooks, first[-1], "changed")
        made = await notebooks.insert("n.ipynb", 0, "new", "markdown", None, None)
        assert await ids(notebooks) == [made.id, *first]
        await notebooks.close("n.ipynb")
        assert await ids(notebooks) == [made.id, *first]  # closed, in one process also where the file keeps no ids
        await update(notebooks, first[0], "changed too")
        await notebooks.close("n.ipynb")
    saved = json.loads((shop.root / "n.ipynb").read_text())
    async with workshop(folder) as shop:
        again = await ids(notebooks_of(shop))
        if (saved["nbformat"], saved["nbformat_minor"]) >= (4, 5):
            assert again == [made.id, *first]
        else:  # those that are told by what they hold
            assert all("id" not in one for one in saved["cells"])
            assert len(again) == len(first) + 1
            sources = ["".join(one["source"]) for one in notebook["cells"] if "id" not in one]
            if len(sources) == len(first):
                told = [at for at in range(1, len(sources) - 1) if sources.count(sources[at]) == 1]
                assert [again[at + 1] for at in told] == [first[at] for at in told]


@pytest.mark.parametrize("kind", ODD)
def test_an_id_is_good_in_every_later_call(kind: str, tmp_path: Path) -> None:
    asyncio.run(walk(tmp_path, ODD[kind]))


@pytest.mark.parametrize("kind", ODD)
def test_ids_of_a_closed_notebook_are_the_same_after_a_restart(kind: str, tmp_path: Path) -> None:
    async def read() -> list[str]:
        async with workshop(tmp_path) as shop:
            (shop.root / "n.ipynb").write_text(json.dumps(ODD[kind]))
            return await ids(notebooks_of(shop))

    assert asyncio.run(read()) == asyncio.run(read())


@pytest.mark.parametrize("kind", ODD)
def test_reading_changes_no_file(kind: str, tmp_path: Path) -> None:
    async def read() -> None:
        async with workshop(tmp_path) as shop:
            file = shop.root / "n.ipynb"
            file.write_text(json.dumps(ODD[kind]))
            before = file.stat().st_mtime_ns, file.read_bytes()
            notebooks = notebooks_of(shop)
            for cell_id in await ids(notebooks):
                await notebooks.cell("n.ipynb", None, cell_id)
            await asyncio.sleep(0.1)  # ten times the delay of a save, if there were one
            assert (file.stat().st_mtime_ns, file.read_bytes()) == before

    asyncio.run(read())


def test_a_file_without_ids_that_is_changed_outside_keeps_the_ids_of_cells_that_stay(tmp_path: Path) -> None:
    async def run() -> None:
        async with workshop(tmp_path) as shop:
            file = shop.root / "n.ipynb"
            file.write_text(json.dumps(format_4(4, cell("a"), cell("b"), cell("c"))))
            notebooks = notebooks_of(shop)
            first = await ids(notebooks)
            await update(notebooks, first[1], "b2")
            await notebooks.close("n.ipynb")
            file.write_text(json.dumps(format_4(4, cell("new"), cell("a"), cell("b2"), cell("c"))))
            assert (await ids(notebooks))[1:] == first

    asyncio.run(run())


def test_cells_that_a_tab_brings_without_an_id_or_with_anothers_get_their_own(tmp_path: Path) -> None:
    async def run() -> None:
        async with workshop(tmp_path) as shop:
            (shop.root / "n.ipynb").write_text(json.dumps(format_4(5, cell("a", "x"))))
            notebooks = notebooks_of(shop)
            assert await ids(notebooks) == ["x"]
            document = (await shop.rooms.join("n.ipynb")).document
            for brought in (cell("b", "x"), cell("c", "")):
                document.ycells.append(document.create_ycell(brought))
            await notebooks.cell("n.ipynb", 0, None)
            found = await ids(notebooks)
            assert found[0] == "x"
            await notebooks.delete("n.ipynb", None, "x", None)
            assert await ids(notebooks) == found[1:]

    asyncio.run(run())


ID = st.none() | st.sampled_from(["a", "b", "0123abcd", "", "a b", 7, None, "c" * 64])
CELLS = st.lists(st.tuples(st.sampled_from(SOURCES), ID), min_size=1, max_size=6)


# Without shrinking: an example takes a second.
@settings(max_examples=8, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(st.integers(0, 5), CELLS)
def test_ids_last_in_any_odd_notebook(minor: int, cells: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(Path(folder), format_4(minor, *(cell(*one) for one in cells))))


@given(CELLS)
def test_names_are_unique_and_made_the_same_way_again(cells: list[tuple[str, Any]]) -> None:
    made, own = [cell(source) for source, _ in cells], [cell_id for _, cell_id in cells]
    found = names(made, own)
    assert len(set(found)) == len(found)
    assert found == names(copy.deepcopy(made), list(own))
    assert names(made, found) == found


def test_cells_of_a_format_without_ids_are_compared_without_them() -> None:
    named = NamedCells([cell("a", "x")])
    assert [cell("a")] == named
    assert named == [cell("a", "y")]
    assert [cell("b")] != named
