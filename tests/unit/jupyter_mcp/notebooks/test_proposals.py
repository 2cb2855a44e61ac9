"""A change that a person is to accept is shown as it will be made, by what makes it; and nothing is made before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.errors import ProposeFirstError
from jupyter_mcp.notebooks.proposals import Proposal
from jupyter_mcp.rooms.actor import ACTOR, Author
from jupyter_mcp.rooms.live import revision
from tests.support.edit_cases import EDIT, Loop, Notebook

pytestmark = pytest.mark.usefixtures("no_loop")


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.rooms.live.asyncio.get_running_loop", Loop)


class Proposing:
    """A call that has to show what it changes; `accepted` is the signature of what a person has accepted."""

    number, tool, author = 1, "edit_notebook", Author("A", "A", "A")

    def __init__(self) -> None:
        self.accepted: str | None = None
        self.planned: Proposal | None = None
        self.preview: dict[str, Any] = {}

    def will_change(self, _: Any, planned: Proposal) -> None:
        if planned and planned.signature != self.accepted:
            self.planned, self.preview = planned, planned.preview()
            raise ProposeFirstError

    def changed(self, *_: Any) -> None:
        """Take note."""


@contextmanager
def proposing() -> Iterator[Proposing]:
    actor = Proposing()
    token = ACTOR.set(actor)
    try:
        yield actor
    finally:
        ACTOR.reset(token)


Change = Callable[[Notebook], object]


def shown(notebook: Notebook, change: Change) -> Proposing:
    """Return what a person sees of a change, which is not made."""
    before, frames = notebook.content, notebook.journal.frames
    with proposing() as actor:
        with pytest.raises(ProposeFirstError):
            change(notebook)
        assert notebook.content == before
        assert notebook.journal.frames == frames
        assert notebook.cells.history.of(notebook.live.room_id) == []
    return actor


def edit(*edits: dict[str, Any]) -> Change:
    return lambda notebook: notebook.edit(*edits)


BRIEF = ("op", "id", "after", "source_before", "source_after")


@pytest.mark.parametrize(
    ("change", "words", "cells"),
    [
        (
            edit({"op": "insert", "after": "b", "source": "new"}),
            "insert a cell",
            [("insert", None, "b", "", "new")],
        ),
        (
            edit({"op": "insert", "before": "a", "cells": [{"source": "1"}, {"source": "2"}]}),
            "insert 2 cells",
            [("insert", None, None, "", "1"), ("insert", None, None, "", "2")],
        ),
        (
            edit({"op": "replace", "cell_id": "c", "source": "y = 2"}),
            "change a cell",
            [("change", "c", "b", "y = x", "y = 2")],
        ),
        (
            edit({"op": "str_replace", "old": "x", "new": "z", "all": True}),
            "change 3 cells",
            [
                ("change", "a", None, "x = 1\nprint(x)", "z = 1\nprint(z)"),
                ("change", "b", "a", "# Title\n\ntext", "# Title\n\ntezt"),
                ("change", "c", "b", "y = x", "y = z"),
            ],
        ),
        (edit({"op": "move", "cell_id": "e", "before": "b"}), "move a cell", [("move", "e", "a", "", "")]),
        (
            edit({"op": "split", "cell_id": "a", "line": 2}),
            "change a cell and insert a cell",
            [("change", "a", None, "x = 1\nprint(x)", "x = 1"), ("insert", None, "a", "", "print(x)")],
        ),
        (
            edit({"op": "merge", "cell_ids": ["a", "c"]}),
            "change a cell and delete a cell",
            [("change", "a", None, "x = 1\nprint(x)", "x = 1\nprint(x)\ny = x"), ("delete", "c", None, "y = x", "")],
        ),
        (edit({"op": "delete", "cell_id": "d"}), "delete a cell", [("delete", "d", None, "raw", "")]),
        (lambda notebook: notebook.cells.delete(notebook.live, 3), "delete a cell", [("delete", "d", "c", "raw", "")]),
        (
            lambda notebook: notebook.cells.insert(notebook.live, 0, "new", "code", None, None),
            "insert a cell",
            [("insert", None, None, "", "new")],
        ),
        (
            lambda notebook: notebook.cells.insert(notebook.live, -1, "new", "code", None, None),
            "insert a cell",
            [("insert", None, "e", "", "new")],
        ),
        (
            lambda notebook: notebook.cells.update(notebook.live, 2, "y = 3", None),
            "change a cell",
            [("change", "c", "b", "y = x", "y = 3")],
        ),
        (
            lambda notebook: notebook.cells.update(notebook.live, 2, "text", "markdown"),
            "change a cell",
            [("change", "c", "b", "y = x", "text")],
        ),
    ],
)
def test_each_change_is_shown_with_the_place_and_the_sources(
    change: Change, words: str, cells: list[tuple[Any, ...]]
) -> None:
    actor = shown(Notebook(), change)
    assert actor.planned is not None
    assert actor.planned.words == words
    assert [tuple(cell[key] for key in BRIEF) for cell in actor.preview["cells"]] == cells


def test_what_changes_beside_the_source_is_shown_too() -> None:
    def also(change: Change) -> tuple[list[str], str]:
        (cell,) = shown(Notebook(), change).preview["cells"]
        return cell["also"], cell["diff"]

    assert also(edit({"op": "clear_outputs", "cell_id": "a"})) == (["outputs cleared"], "")
    found = also(edit({"op": "set_metadata", "cell_id": "a", "metadata": {"tags": ["u"]}}))
    assert found == (["metadata tags"], '-tags: ["t"]\n+tags: ["u"]')
    kinds, _ = also(edit({"op": "set_type", "cell_id": "c", "cell_type": "markdown"}))
    assert kinds[0] == "code → markdown"
    preview = shown(Notebook(), edit({"op": "set_metadata", "metadata": {"authors": ["Ada"]}})).preview
    assert preview["metadata"] == '+authors: ["Ada"]'
    preview = shown(Notebook(), edit({"op": "set_metadata", "cell_id": "a", "metadata": {"execution": {}}})).preview
    assert preview["metadata"] == " metadata execution"


def test_what_is_taken_back_and_brought_back_is_shown() -> None:
    notebook = Notebook()
    notebook.cells.delete(notebook.live, 3)  # nobody's: it is not remembered
    with proposing() as actor:
        actor.accepted = "any"
        actor.will_change = lambda *_: None  # type: ignore[method-assign]
        notebook.edit({"op": "delete", "cell_id": "c"}, {"op": "replace", "cell_id": "a", "source": "x = 2"})
    (change,) = notebook.cells.history.of(notebook.live.room_id)
    from jupyter_mcp.notebooks.undo_plan import Around  # noqa: PLC0415

    around = Around(lambda *_: None, lambda _: False, lambda _: None)
    with proposing() as actor:
        with pytest.raises(ProposeFirstError):
            notebook.cells.undo(notebook.live, [change], around=around)
        cells = [tuple(cell[key] for key in BRIEF) for cell in actor.preview["cells"]]
        first = actor.planned
        with pytest.raises(ProposeFirstError):
            notebook.cells.undo(notebook.live, [change], around=around)
        assert first is not None
        assert first.signature == actor.planned.signature
        assert cells == [("change", "a", None, "x = 2", "x = 1\nprint(x)"), ("insert", None, "b", "", "y = x")]
        with pytest.raises(ProposeFirstError):
            notebook.cells.restore(notebook.live, next(one for one in change.cells if one.deleted), around=around)
        assert [tuple(cell[key] for key in BRIEF) for cell in actor.preview["cells"]] == cells[1:]
    assert not any(cell.undone for cell in change.cells)
    assert notebook.order == ["a", "b", "e"]


def test_what_changes_nothing_is_not_shown() -> None:
    with proposing() as actor:
        Notebook().edit({"op": "replace", "cell_id": "c", "source": "y = x"})
        Notebook().edit({"op": "set_metadata", "cell_id": "a", "metadata": {"tags": ["t"]}})
        notebook = Notebook()
        notebook.cells.update(notebook.live, 2, "y = x", "code")
    assert actor.planned is None


@given(st.lists(EDIT, min_size=1, max_size=4))
def test_what_is_made_is_what_was_shown(edits: list[dict[str, Any]]) -> None:
    notebook = Notebook()
    before = notebook.sources
    with proposing() as actor:
        try:
            notebook.edit(*edits)
        except ProposeFirstError:
            assert notebook.sources == before
        except ToolError:
            return  # refused before anybody is asked
        if actor.planned is None:
            return
        first = actor.planned
        code = dict(first.code)
        with pytest.raises(ProposeFirstError):
            notebook.edit(*edits)
        assert first.signature == actor.planned.signature, "the same change looks like another one"
        actor.accepted = first.signature
        notebook.edit(*edits)
    after = notebook.sources
    for cell in actor.preview["cells"]:
        if cell["op"] == "insert":
            assert cell["source_after"] in after.values()
        else:
            assert cell["source_before"] in ("", before[cell["id"]])
            assert (cell["id"] in after) == (cell["op"] != "delete")
            if "source_after" in cell and cell["op"] == "change" and cell["source_before"] != cell["source_after"]:
                assert after[cell["id"]] == cell["source_after"]
    made = set(after) - set(before)
    if not actor.preview["more_cells"]:
        assert sum(cell["op"] == "insert" for cell in actor.preview["cells"]) == len(made)
    types = {cell["id"]: cell["cell_type"] for cell in notebook.content["cells"]}
    for cell_id, known in code.items():
        if cell_id in before:
            assert types[cell_id] == "code"
            assert known == revision("code", after[cell_id])
    assert len(code) == len([one for one in code if one in before]) + len([one for one in made if types[one] == "code"])


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"op": "replace", "cell_id": "c", "source": "y = x + 1"},
        {"op": "insert", "before": "e", "source": "between"},
        {"op": "set_type", "cell_id": "c", "cell_type": "raw"},
        {"op": "delete", "cell_id": "d"},
    ],
)
def test_a_change_of_what_was_shown_makes_it_another_change(meanwhile: dict[str, Any]) -> None:
    notebook = Notebook()
    asked = edit(
        {"op": "str_replace", "cell_id": "c", "old": "y", "new": "z"},
        {"op": "insert", "before": "e", "source": "s"},
        {"op": "move", "cell_id": "b", "after": "c"},
        {"op": "set_type", "cell_id": "c", "cell_type": "markdown"},
    )
    first = shown(notebook, asked)
    assert first.planned is not None
    signature = first.planned.signature
    notebook.edit({"op": "replace", "cell_id": "a", "source": "something else"})  # what is not concerned may change
    with proposing() as actor:
        with pytest.raises(ProposeFirstError):
            asked(notebook)
        assert actor.planned is not None
        assert actor.planned.signature == signature
    notebook.edit(meanwhile)
    with proposing() as actor:
        with pytest.raises(ProposeFirstError):
            asked(notebook)
        assert actor.planned is not None
        assert actor.planned.signature != signature


def test_sources_that_would_take_long_to_compare_are_not_compared() -> None:
    notebook = Notebook()
    notebook.edit({"op": "replace", "cell_id": "c", "source": "a\nb\n" * 200_000})
    (cell,) = shown(notebook, edit({"op": "replace", "cell_id": "c", "source": "b\na\n" * 200_000})).preview["cells"]
    assert (cell["diff"], cell["cut"]) == (" 800000 characters, now 800000", True)
    (cell,) = shown(notebook, edit({"op": "insert", "source": "line\n" * 1_000_000})).preview["cells"]
    assert cell["diff"].startswith("+line\n+line\n")
    assert cell["diff"].endswith("[the rest is left out]")


def test_a_large_change_is_shown_in_part_and_says_so() -> None:
    many = [{"source": f"{number}\n" * 3000} for number in range(60)]
    preview = shown(Notebook(), edit({"op": "insert", "cells": many})).preview
    assert len(str(preview)) < 150_000
    assert (len(preview["cells"]), preview["more_cells"]) == (50, 10)
    assert preview["cells"][0]["cut"]
    assert "[the rest is left out]" in preview["cells"][0]["diff"]
    assert preview["cells"][-1]["diff"] == "[left out: the change is too long to be shown]"
