"""Many edits in one call: all of them as on a plain notebook, or none; and no cell is made anew without need."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from hypothesis import example, given
from hypothesis import strategies as st
from pycrdt import Array, Assoc

from jupyter_mcp.errors import BadCellError, CellChangedError, CellMissingError, PersonTypingError
from jupyter_mcp.notebooks.edit_requests import parse_edits
from tests.support.edit_cases import (
    EDIT,
    IDS,
    NOTEBOOK,
    Loop,
    Notebook,
)
from tests.support.plain_edits import RefusedError, edited
from tests.support.tabs import Tab


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.rooms.live.asyncio.get_running_loop", Loop)


@pytest.mark.usefixtures("no_loop")
@given(st.lists(EDIT, min_size=1, max_size=6))
@example(
    [
        {"op": "set_type", "cell_ids": ["a"], "cell_type": "markdown"},
        {"op": "set_type", "cell_ids": ["a"], "cell_type": "code"},
    ]
)
def test_edits_do_what_they_would_to_a_plain_notebook_or_nothing_at_all(edits: list[dict[str, Any]]) -> None:
    notebook = Notebook()
    before = notebook.content
    try:
        wanted: Any = edited(before, edits)
    except RefusedError:
        with pytest.raises(ToolError, match=r"Nothing was changed\.$"):
            notebook.edit(*edits)
        assert notebook.content == before
        assert notebook.journal.frames == 0
        return
    reply = notebook.edit(*edits)
    after = notebook.content
    assert notebook.journal.frames <= 1
    assert len({cell["id"] for cell in after["cells"]}) == len(after["cells"]) == reply["cell_count"]
    for made, plain in zip(after["cells"], wanted["cells"], strict=True):
        assert made["id"] == plain["id"] or (not plain["id"] and made["id"] not in IDS)
        assert {**made, "id": ""} == {**plain, "id": ""}
    assert after["metadata"] == wanted["metadata"]
    for cell in reply["cells"]:
        at = notebook.live.locate(None, cell["id"])
        assert (at, notebook.live.cell(at)["revision"]) == (cell["index"], cell["revision"])


@pytest.mark.usefixtures("no_loop")
@given(st.lists(EDIT, min_size=1, max_size=4))
def test_cells_that_are_neither_moved_nor_retyped_stay_the_shared_objects_they_were(
    edits: list[dict[str, Any]],
) -> None:
    notebook = Notebook()
    remade = {one for edit in edits if edit["op"] in ("move", "set_type") for one in edit["cell_ids"]}
    shared = {cell["id"]: cell["source"].sticky_index(0, Assoc.BEFORE).to_json() for cell in notebook.document.ycells}
    try:
        notebook.edit(*edits)
    except ToolError:
        return
    for cell in notebook.document.ycells:
        if cell["id"] in shared and cell["id"] not in remade:
            assert cell["source"].sticky_index(0, Assoc.BEFORE).to_json() == shared[cell["id"]]


async def test_a_moved_cell_keeps_its_id_outputs_and_state_and_a_run_goes_on_in_it() -> None:
    notebook = Notebook()
    notebook.document.ycells[0]["execution_state"] = "running"
    notebook.edit({"op": "move", "cell_id": "a", "after": "d"})
    assert notebook.order == ["b", "c", "d", "a", "e"]
    moved = notebook.content["cells"][3]
    assert moved == read_cell("a")
    assert notebook.document.ycells[3]["execution_state"] == "running"


def read_cell(cell_id: str) -> dict[str, Any]:
    return next(cell for cell in Notebook().content["cells"] if cell["id"] == cell_id)


async def test_only_the_named_cells_are_moved_and_one_in_its_place_is_left_there() -> None:
    notebook = Notebook()
    changes: list[int] = []
    watch = notebook.document.ycells.observe(lambda event: changes.append(len(event.target)))
    notebook.edit({"op": "move", "cell_id": "b", "after": "a"})
    assert changes == []
    notebook.edit({"op": "move", "cell_id": "b", "before": "a"})
    assert notebook.order == ["b", "a", "c", "d", "e"]
    # First one more, then one less: of a cell that goes first, JupyterLab makes the one above active.
    assert changes == [6, 5]
    notebook.document.ycells.unobserve(watch)


async def test_edits_without_both_insertions_and_deletions_are_one_transaction() -> None:
    notebook = Notebook()
    updates: list[bytes] = []
    watch = notebook.document.ydoc.observe(lambda event: updates.append(event.update))
    notebook.edit(
        {"op": "insert", "source": "new", "after": "a"},
        {"op": "str_replace", "old": "x", "new": "z", "all": True},
        {"op": "set_metadata", "metadata": {"title": "T"}},
        {"op": "clear_outputs"},
    )
    assert len(updates) == 1
    notebook.edit({"op": "delete", "cell_ids": ["a", "c"]}, {"op": "replace", "cell_id": "b", "source": "B"})
    assert len(updates) == 2
    assert notebook.journal.frames == 2
    notebook.document.ydoc.unobserve(watch)


async def test_later_edits_see_what_earlier_ones_made_and_names_stand_for_new_cells() -> None:
    notebook = Notebook()
    reply = notebook.edit(
        {"op": "insert", "cells": [{"source": "one", "name": "$1"}, {"source": "two\nthree", "name": "$2"}]},
        {"op": "split", "cell_id": "$2", "line": 2, "name": "$3"},
        {"op": "move", "cell_id": "$3", "before": "$1"},
        {"op": "str_replace", "cell_id": "$3", "old": "three", "new": "3"},
        {"op": "delete", "cell_id": "$1"},
    )
    assert [cell["source"] for cell in notebook.content["cells"]][5:] == ["3", "two"]
    assert [cell.get("name") for cell in reply["cells"]] == ["$3", "$2"]
    assert all(cell["new"] for cell in reply["cells"])


async def test_expected_is_the_revision_before_the_call_and_one_that_is_wrong_refuses_all() -> None:
    notebook = Notebook()
    revision = notebook.live.cell(0)["revision"]
    notebook.edit(
        {"op": "str_replace", "cell_id": "a", "old": "x = 1", "new": "x = 2", "expected": revision},
        {"op": "str_replace", "cell_id": "a", "old": "print", "new": "display", "expected": revision},
    )
    with pytest.raises(CellChangedError, match=r"Edit 2 of 2 \(replace\): 'a' changed .* Nothing was changed"):
        notebook.edit(
            {"op": "delete", "cell_id": "b"}, {"op": "replace", "cell_id": "a", "source": "", "expected": revision}
        )
    assert notebook.sources["a"] == "x = 2\ndisplay(x)"
    assert "b" in notebook.sources
    both = f"{notebook.live.cell(0)['revision']} {notebook.live.cell(2)['revision']}"
    notebook.edit({"op": "merge", "cell_ids": ["a", "c"], "expected": both})
    with pytest.raises(BadCellError, match="2 revisions for 1 cells"):
        notebook.edit({"op": "delete", "cell_id": "b", "expected": both})
    with pytest.raises(CellChangedError):
        notebook.edit({"op": "insert", "source": "", "before": "b", "expected": "old"})


@pytest.mark.parametrize(
    "edit",
    [
        {"op": "replace", "cell_id": "a", "source": "new"},
        {"op": "str_replace", "old": "x", "new": "z", "all": True},
        {"op": "move", "cell_id": "a"},
        {"op": "split", "cell_id": "a", "line": 2},
        {"op": "merge", "cell_ids": ["a", "c"]},
        {"op": "merge", "cell_ids": ["c", "a"]},
        {"op": "set_type", "cell_id": "a", "cell_type": "raw"},
        {"op": "clear_outputs"},
        {"op": "set_metadata", "cell_id": "a", "metadata": {"tags": []}},
        {"op": "delete", "cell_id": "a"},
    ],
    ids=lambda edit: str(edit["op"]),
)
async def test_no_kind_of_edit_touches_the_cell_a_person_types_in(edit: dict[str, Any]) -> None:
    notebook = Notebook(grace=30)
    Tab(notebook.document, notebook.room.awareness).clicks(0)
    before = notebook.content
    harmless = {"op": "replace", "cell_id": "e", "source": "changed"}
    with pytest.raises(PersonTypingError, match=r"Ada is typing in cell 0 \('a'\).*nothing was changed"):
        notebook.edit(harmless, edit)
    assert notebook.content == before
    assert notebook.journal.frames == 0
    notebook.edit(harmless, edit, over_person=True)
    assert notebook.content != before


async def test_what_leaves_a_persons_cell_alone_is_done_around_it() -> None:
    notebook = Notebook(grace=30)
    Tab(notebook.document, notebook.room.awareness).clicks(0)
    notebook.edit(
        {"op": "move", "cell_id": "b", "before": "a"},
        {"op": "str_replace", "old": "y", "new": "z"},
        {"op": "insert", "source": "new", "before": "a"},
        {"op": "delete", "cell_id": "d"},
    )
    assert notebook.order[0] == "b"


async def test_text_that_is_not_there_once_is_an_error_that_shows_where_it_might_be() -> None:
    notebook = Notebook()
    with pytest.raises(BadCellError, match=r"there 4 times \(a line 1: 'x = 1'; a line 2.*; c line 1.*all=true"):
        notebook.edit({"op": "str_replace", "old": "x", "new": "z"})
    with pytest.raises(BadCellError, match=r"nearest is line 2 of 'a': 'print\(x\)'"):
        notebook.edit({"op": "str_replace", "old": "prin(x)", "new": ""})
    with pytest.raises(BadCellError, match="in 'a' with other spaces"):
        notebook.edit({"op": "str_replace", "old": "x=1", "new": ""})
    with pytest.raises(BadCellError, match="only within longer ones"):
        notebook.edit({"op": "str_replace", "old": "prin", "new": "", "whole_word": True})
    with pytest.raises(BadCellError, match="not in the cell 'd', nor anything like it"):
        notebook.edit({"op": "str_replace", "cell_id": "d", "old": "import numpy", "new": ""})


async def test_a_whole_word_is_replaced_where_it_is_one_and_backslashes_are_text() -> None:
    notebook = Notebook()
    notebook.edit({"op": "replace", "cell_id": "a", "source": "df df2 _df df.x\ndf"})
    reply = notebook.edit({"op": "str_replace", "old": "df", "new": r"\1", "all": True, "whole_word": True})
    assert notebook.sources["a"] == "\\1 df2 _df \\1.x\n\\1"
    assert reply["done"] == ["replaced 3 in 1 cell"]
    notebook.edit({"op": "str_replace", "cell_id": "a", "old": ".", "new": "..", "whole_word": True})
    assert "\\1..x" in notebook.sources["a"]


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ("delete all", "`edits` is a list"),
        ([], "at least one"),
        ([{"op": "delete", "cell_id": "a"}] * 201, "at most 200"),
        ([3], "An edit is an object"),
        ([{"op": "remove", "cell_id": "a"}], "`op` is one of insert, .*delete"),
        ([{"cell_id": "a"}], r"Edit 1 of 1 \(no `op`\)"),
        ([{"op": "insrt", "source": ""}], "Did you mean 'insert'"),
        ([{"op": "insert", "text": "x"}], r"'text' \(did you mean 'source'\?\)"),
        ([{"op": "str_replace", "old_str": "a", "new_str": "b"}], r"'old_str' \(did you mean 'old'\?\)"),
        ([{"op": "replace", "cell_id": "a"}], "needs `source`"),
        ([{"op": "replace", "cell_id": "a", "source": 7}], "`source` is a text"),
        ([{"op": "delete"}], "needs `cell_id` or `cell_ids`"),
        ([{"op": "delete", "cell_id": "a", "cell_ids": ["b"]}], "not both"),
        ([{"op": "delete", "cell_ids": ["b", "b"]}], "names a cell twice"),
        ([{"op": "delete", "cell_ids": ["b", 3]}], "a list of texts"),
        ([{"op": "insert", "source": "", "before": "a", "after": "b"}], "not both"),
        ([{"op": "insert"}], "needs `source`, or `cells`"),
        ([{"op": "insert", "cells": [{"code": ""}]}], "did you mean 'source'"),
        ([{"op": "insert", "cells": []}], "1 to 200"),
        ([{"op": "insert", "source": "", "cell_type": "sql"}], "code, markdown, raw"),
        ([{"op": "str_replace", "old": "", "new": "x"}], "`old` is empty"),
        ([{"op": "str_replace", "old": "x", "new": "y", "all": "yes"}], "true or false"),
        ([{"op": "split", "cell_id": "a", "line": 9}], "the cell has 2; use 2 to 2"),
        ([{"op": "split", "cell_id": "c", "line": 2}], "the cell has 1."),
        ([{"op": "split", "cell_id": "a", "line": "two"}], "whole number"),
        ([{"op": "merge", "cell_ids": ["a"]}], "at least two"),
        ([{"op": "merge", "cell_ids": ["a", "b"]}], "code and markdown"),
        ([{"op": "move", "cell_id": "a", "before": "a"}], "name another"),
        ([{"op": "clear_outputs", "cell_id": "b"}], "only code cells"),
        ([{"op": "set_metadata", "metadata": {}}], "object of the keys"),
        ([{"op": "set_metadata", "cell_id": "a", "metadata": {"trusted": True}}], "not an agent's"),
        ([{"op": "set_metadata", "metadata": {"kernelspec": {"name": 3}}}], "No notebook may have such"),
        ([{"op": "set_metadata", "cell_id": "a", "metadata": {"tags": "x"}}], "No notebook may have such"),
        ([{"op": "set_metadata", "metadata": {"n": float("nan")}}], "what JSON can't"),
        ([{"op": "set_metadata", "metadata": {"n": 1 << 70}}], "what JSON can't"),
        ([{"op": "insert", "source": "", "name": "a"}], "'a' is taken"),
        ([{"op": "insert", "source": "", "name": "$"}, {"op": "delete", "cell_id": "$", "expected": "x"}], "no rev"),
        ([{"op": "replace", "cell_id": "a", "source": "aa" * 5000}]
         + [{"op": "str_replace", "cell_id": "a", "old": "a", "new": "aa", "all": True}] * 12, "add over"),
    ],
)  # fmt: skip
async def test_what_can_not_be_done_is_refused_with_what_to_do_and_changes_nothing(edits: Any, said: str) -> None:
    notebook = Notebook()
    before = notebook.content
    with pytest.raises(BadCellError, match=said) as caught:
        notebook.cells.edit(notebook.live, parse_edits(edits), over_person=False)
    assert str(caught.value).count("othing was changed") == 1
    assert len(str(caught.value)) < 500
    assert notebook.content == before
    assert notebook.journal.frames == 0


async def test_what_a_call_multiplies_is_bounded_whatever_it_is() -> None:
    content = deepcopy(NOTEBOOK)
    content["cells"][1] |= {"source": "\n" * 20, "attachments": {"a.png": {"image/png": "A" * 1_000_000}}}
    notebook = Notebook(content)
    before = notebook.content
    for edits in (
        [{"op": "set_metadata", "cell_ids": IDS, "metadata": {"k": "x" * 4_000_000}}],
        [{"op": "split", "cell_id": "b", "line": 2, "name": "n0"}]
        + [{"op": "split", "cell_id": f"n{at}", "line": 2, "name": f"n{at + 1}"} for at in range(17)],
    ):
        with pytest.raises(BadCellError, match="add over"):
            notebook.edit(*edits)
        assert notebook.content == before
    notebook.edit({"op": "set_metadata", "metadata": {"k": "x" * 4_000_000}})
    notebook.edit({"op": "split", "cell_id": "b", "line": 2})
    assert notebook.content["cells"][2]["attachments"] == content["cells"][1]["attachments"]


async def test_a_cell_that_is_not_there_or_was_deleted_just_before_is_named() -> None:
    notebook = Notebook()
    with pytest.raises(CellMissingError, match=r"Edit 1 of 1 \(delete\): No cell with id 'z'"):
        notebook.edit({"op": "delete", "cell_id": "z"})
    with pytest.raises(CellMissingError, match=r"Edit 2 of 2 \(replace\): 'b' is deleted by an edit before it"):
        notebook.edit({"op": "delete", "cell_id": "b"}, {"op": "replace", "cell_id": "b", "source": ""})


async def test_nulls_count_as_left_out() -> None:
    notebook = Notebook()
    notebook.edit({"op": "insert", "source": "new", "before": None, "cells": None, "name": None, "cell_type": None})
    assert notebook.content["cells"][-1]["source"] == "new"
    assert notebook.content["cells"][-1]["cell_type"] == "code"


async def test_attachments_stay_with_split_and_moved_cells_and_are_joined_by_a_merge() -> None:
    content = deepcopy(NOTEBOOK)
    content["cells"][1]["attachments"] = {"p.png": {"image/png": "AAAA"}}
    content["cells"][4]["attachments"] = {"q.png": {"image/png": "BBBB"}}
    notebook = Notebook(content)
    notebook.edit({"op": "split", "cell_id": "b", "line": 3}, {"op": "move", "cell_id": "b"})
    found = [cell.get("attachments") for cell in notebook.content["cells"]]
    assert found.count({"p.png": {"image/png": "AAAA"}}) == 2
    notebook.edit({"op": "merge", "cell_ids": ["b", "e"]})
    merged = next(cell for cell in notebook.content["cells"] if cell["id"] == "b")
    assert sorted(merged["attachments"]) == ["p.png", "q.png"]
    notebook.edit({"op": "set_type", "cell_id": "b", "cell_type": "raw"})
    assert "attachments" in next(cell for cell in notebook.content["cells"] if cell["id"] == "b")


async def test_two_attachments_of_one_name_are_not_merged() -> None:
    content = deepcopy(NOTEBOOK)
    content["cells"][1]["attachments"] = {"p.png": {"image/png": "AAAA"}}
    content["cells"][4]["attachments"] = {"p.png": {"image/png": "BBBB"}}
    with pytest.raises(BadCellError, match=r"an attachment 'p\.png', not the same"):
        Notebook(content).edit({"op": "merge", "cell_ids": ["b", "e"]})


async def test_the_reply_shows_a_short_diff_and_says_what_it_leaves_out() -> None:
    notebook = Notebook()
    reply = notebook.edit({"op": "str_replace", "old": "y", "new": "z"}, {"op": "delete", "cell_id": "d"})
    assert reply["diff"] == "--- c\n+++ c\n@@ -1 +1 @@\n-y = x\n+z = x\n--- d\n+++ (deleted)\n@@ -1 +0,0 @@\n-raw"
    assert reply["done"] == ["replaced 1 in 1 cell", "deleted 1 cell"]
    long = notebook.edit({"op": "insert", "cells": [{"source": f"line {number}\n" * 50} for number in range(100)]})
    assert len(str(long)) < 10_000
    assert long["diff"].endswith("[the rest of the diff is left out; get_cell shows each cell]")
    assert long["more_cells"] == 40
    renamed = notebook.edit(
        {"op": "str_replace", "old": "line", "new": "row", "all": True}, {"op": "insert", "source": "new"}
    )
    assert [cell.get("new", False) for cell in renamed["cells"]] == [False] * 12 + [True]
    assert renamed["more_cells"] == 100 - 12


async def test_carets_in_the_rest_of_a_changed_cell_stay_where_they_are() -> None:
    notebook = Notebook()
    cells: Array[Any] = notebook.document.ycells
    text = cells[0]["source"]
    caret = text.sticky_index(10, Assoc.AFTER)
    notebook.edit({"op": "str_replace", "old": "x = 1", "new": "number = 1"})
    with text.doc.transaction():
        assert str(text)[caret.get_index() :] == "t(x)"
