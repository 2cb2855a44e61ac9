"""An agent takes back what it changed: that, all of that, and nothing of what others wrote."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_mcp.errors import BadCellError, CellChangedError
from jupyter_mcp.notebooks.history import ChangeRecord, History
from jupyter_mcp.notebooks.text_diff import rewrite
from jupyter_mcp.notebooks.undo_plan import Around
from jupyter_mcp.rooms.actor import ACTOR, Author
from tests.support.edit_cases import EDIT, IDS, NOTEBOOK, OUTPUT, Loop, Notebook
from tests.support.tabs import Tab

_numbers = itertools.count(1)


class Acting:
    """A call of an agent, as far as notebooks look at it."""

    def __init__(self, name: str) -> None:
        self.number, self.tool, self.author = next(_numbers), "edit_notebook", Author(name, name, name)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@contextmanager
def acting(name: str = "A") -> Iterator[None]:
    token = ACTOR.set(Acting(name))  # type: ignore[arg-type]
    try:
        yield
    finally:
        ACTOR.reset(token)


class Shared(Notebook):
    """A notebook that two agents and a person change."""

    ran: dict[str, tuple[str, int]]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ran = {}

    def does(self, *edits: dict[str, Any], agent: str = "A", **options: Any) -> int:
        """Make edits in one call; return the number of the change."""
        with acting(agent):
            self.edit(*edits, **options)
        return self.changes[0].number if self.changes else 0

    @property
    def changes(self) -> list[ChangeRecord]:
        return self.cells.history.of(self.live.room_id)

    def undo(self, *numbers: int, agent: str = "A", over_person: bool = False) -> dict[str, Any]:
        """Take back the changes of these numbers, or the agent's last one."""
        mine = [one for one in self.changes if one.open and not one.undoes and one.author.id == agent]
        chosen = [one for one in self.changes if one.number in numbers] or mine[:1]
        with acting(agent):
            return self.cells.undo(self.live, chosen, around=self.around(over_person=over_person))

    def around(self, *, over_person: bool = False) -> Around:
        return Around(
            lambda cell_id, count: (
                self.ran[cell_id][0] if cell_id in self.ran and self.ran[cell_id][1] == count else None
            ),
            lambda cell_id: self.document.ycells[self.live.locate(None, cell_id)].get("execution_state") == "running",
            lambda at: None if over_person else self.cells.typing(self.live, at),
        )

    def write(self, cell_id: str, source: str) -> None:
        """Write as a person does, in a page."""
        rewrite(self.document.ycells[self.live.locate(None, cell_id)]["source"], source)

    def cell(self, cell_id: str) -> dict[str, Any]:
        return next(cell for cell in self.content["cells"] if cell["id"] == cell_id)


@pytest.fixture(autouse=True)
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.rooms.live.asyncio.get_running_loop", Loop)


def plain(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without what JupyterLab writes by itself."""
    cells = [
        {**cell, "metadata": {key: value for key, value in cell["metadata"].items() if key != "trusted"}}
        for cell in notebook["cells"]
    ]
    return {**notebook, "cells": cells}


@given(st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=4))
def test_all_edits_can_be_taken_back_one_call_after_the_other(calls: list[list[dict[str, Any]]]) -> None:
    notebook = Shared()
    states = []
    for edits in calls:
        before, known = plain(notebook.content), len(notebook.changes)
        with suppress(ToolError):
            notebook.does(*edits)
        if len(notebook.changes) > known:
            states.append(before)
    for state in reversed(states):
        reply = notebook.undo()
        assert plain(notebook.content) == state
        assert reply["kept"] == []
        assert reply["cell_count"] == len(state["cells"])
        for cell in reply["cells"]:
            at = notebook.live.locate(None, cell["id"])
            assert (at, notebook.live.cell(at)["revision"]) == (cell["index"], cell["revision"])


@given(st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=4))
@example([[{"op": "set_type", "cell_ids": ["b"], "cell_type": one} for one in ("code", "markdown")]])
def test_what_was_taken_back_can_be_done_again(calls: list[list[dict[str, Any]]]) -> None:
    notebook = Shared()
    for edits in calls:
        with suppress(ToolError):
            notebook.does(*edits)
    if not notebook.changes:
        return
    wanted = plain(notebook.content)
    undone = notebook.undo()
    notebook.undo(undone["change"])
    assert plain(notebook.content) == wanted


WHO = {"A": "ABCDEF", "B": "uvwxyz", "P": "123456"}  # each writes letters of their own
STEP = st.tuples(
    st.sampled_from(["A", "A", "B", "P"]),
    st.sampled_from(["write", "write", "line", "erase", "insert", "delete", "type", "move", "split", "merge", "undo"]),
    st.integers(0, 5),  # which cell
    st.integers(0, 12),  # where in it
    st.integers(0, 5),
)


def step(notebook: Shared, who: str, what: str, cell: int, at: int, more: int) -> None:
    """Let somebody do something."""
    ids = notebook.order
    if not ids and what != "insert":
        return
    cell_id = ids[cell % len(ids)] if ids else ""
    source = notebook.cell(cell_id)["source"] if ids else ""
    text = WHO[who][more]
    written = {
        "write": source[:at] + text + source[at:],
        "line": source + f"\n{text}{text}\n",
        "erase": source[:at] + source[at + more :],
    }
    edits: dict[str, dict[str, Any]] = {
        "insert": {"op": "insert", "source": text * 3, **({"after": cell_id} if ids else {})},
        "delete": {"op": "delete", "cell_id": cell_id},
        "type": {"op": "set_type", "cell_id": cell_id, "cell_type": ["code", "markdown", "raw"][more % 3]},
        "move": {"op": "move", "cell_id": cell_id, **({"after": ids[more % len(ids)]} if ids and more % 2 else {})},
        "split": {"op": "split", "cell_id": cell_id, "line": 2},
        "merge": {"op": "merge", "cell_ids": [cell_id, ids[(cell + 1) % len(ids)]] if ids else []},
    }
    edits |= {kind: {"op": "replace", "cell_id": cell_id, "source": text} for kind, text in written.items()}
    with suppress(ToolError):
        if who != "P":
            notebook.does(edits[what], agent=who)
        elif what in written:
            notebook.write(cell_id, written[what])
        else:  # a page's edit is nobody's call
            token = ACTOR.set(None)
            notebook.edit(edits[what])
            ACTOR.reset(token)


def letters(notebook: Shared, of: str) -> Counter[str]:
    return Counter(one for source in notebook.sources.values() for one in source if one in of)


@settings(max_examples=150)
@given(st.lists(STEP, min_size=1, max_size=14))
def test_taking_back_never_takes_away_what_others_wrote(steps: list[tuple[str, str, int, int, int]]) -> None:
    notebook = Shared()
    for who, what, *where in steps:
        if what != "undo" or who == "P":
            step(notebook, who, "write" if what == "undo" else what, *where)
            continue
        others = "".join(text for one, text in WHO.items() if one != who)
        ids, before = set(notebook.order), letters(notebook, others)
        theirs = {cell_id: "".join(c for c in text if c in others) for cell_id, text in notebook.sources.items()}
        with suppress(ToolError):
            notebook.undo(agent=who)
        assert before <= letters(notebook, others)
        for cell_id in ids - set(notebook.order):
            # What is gone was the agent's own, or had been taken from where it is again.
            made = [one for change in notebook.changes if change.author.id == who for one in change.cells]
            assert any(one.made and one.cell_id == cell_id for one in made), theirs[cell_id]


def test_text_that_others_wrote_elsewhere_in_the_cell_stays() -> None:
    notebook = Shared()
    notebook.does({"op": "replace", "cell_id": "a", "source": "x = 2\nprint(x)"})
    notebook.write("a", "x = 2\nprint(x)\n# mine")
    reply = notebook.undo()
    assert notebook.sources["a"] == "x = 1\nprint(x)\n# mine"
    assert "-x = 2" in reply["diff"]
    assert reply["kept"] == []


def test_a_cell_whose_lines_others_changed_is_left_by_name_and_the_rest_is_taken_back() -> None:
    notebook = Shared()
    notebook.does(
        {"op": "replace", "cell_id": "a", "source": "x = 2"}, {"op": "replace", "cell_id": "c", "source": "y = 3"}
    )
    notebook.write("a", "x = 23")
    reply = notebook.undo()
    assert notebook.sources["a"] == "x = 23"
    assert notebook.sources["c"] == "y = x"
    assert reply["kept"] == ["'a' stays as it is: the same lines were changed since."]


def test_nothing_is_done_and_said_so_if_nothing_can_be_taken_back() -> None:
    notebook = Shared()
    notebook.does({"op": "replace", "cell_id": "a", "source": "x = 2"})
    notebook.write("a", "x = 23")
    with pytest.raises(CellChangedError, match=r"^Nothing was taken back\. 'a' stays as it is: the same lines"):
        notebook.undo()
    assert notebook.journal.frames == 2


def test_a_cell_that_the_agent_made_goes_unless_somebody_wrote_in_it() -> None:
    for others in ("", "more"):
        notebook = Shared()
        notebook.does({"op": "insert", "source": "new", "after": "a"})
        (made,) = set(notebook.order) - set(IDS)
        if not others:
            notebook.undo()
            assert notebook.order == IDS
            continue
        notebook.write(made, others)
        with pytest.raises(CellChangedError, match="its source was changed since"):
            notebook.undo()
        assert notebook.sources[made] == others


@pytest.mark.parametrize(("runner", "goes"), [("A", True), ("a person", False), ("B", False)])
def test_a_cell_that_somebody_else_ran_since_stays(runner: str, goes: bool) -> None:
    notebook = Shared()
    notebook.does({"op": "insert", "source": "1", "after": "a"})
    (made,) = set(notebook.order) - set(IDS)
    notebook.document.ycells[1]["execution_count"] = 4.0
    notebook.document.ycells[1]["outputs"].append({"output_type": "error", "ename": "E", "evalue": "", "traceback": []})
    notebook.ran[made] = (runner, 4)
    if goes:
        notebook.undo()
    else:
        with pytest.raises(CellChangedError, match="somebody else ran it since"):
            notebook.undo()
    assert (made in notebook.order) != goes


def test_a_cell_that_runs_is_not_taken_away() -> None:
    notebook = Shared()
    notebook.does({"op": "insert", "source": "1", "after": "a"})
    notebook.document.ycells[1]["execution_state"] = "running"
    with pytest.raises(CellChangedError, match="it runs"):
        notebook.undo()


def test_the_second_half_of_a_split_stays_if_the_first_can_not_have_it_back() -> None:
    notebook = Shared()
    notebook.does({"op": "split", "cell_id": "a", "line": 2})
    notebook.write("a", "x = 12")
    with pytest.raises(CellChangedError, match="text moved between it and 'a', which stays"):
        notebook.undo()
    assert "print(x)" in notebook.sources.values()


def test_the_first_half_of_a_split_does_not_get_back_what_the_second_keeps() -> None:
    notebook = Shared()
    notebook.does({"op": "split", "cell_id": "a", "line": 2})
    (second,) = set(notebook.order) - set(IDS)
    notebook.write(second, "print(x)\n# mine")
    with pytest.raises(CellChangedError, match=f"'a' stays as it is: text moved between it and {second!r}"):
        notebook.undo()
    assert (notebook.sources["a"], notebook.sources[second]) == ("x = 1", "print(x)\n# mine")


def test_a_merged_cell_does_not_come_back_where_its_text_stays_in_the_other() -> None:
    notebook = Shared()
    number = notebook.does(
        {"op": "replace", "cell_id": "e", "source": "changed"}, {"op": "merge", "cell_ids": ["a", "c"]}
    )
    whole = notebook.sources["a"]
    notebook.write("a", whole.replace("y = x", "y = x  # mine"))
    reply = notebook.undo(number)
    assert "c" not in notebook.order
    assert notebook.sources["a"].count("y = x") == 1
    assert notebook.sources["e"] == "end"  # what has to do with no other cell is taken back
    assert any("'c' stays as it is: text moved between it and 'a'" in one for one in reply["kept"])
    notebook.write("a", whole)
    notebook.undo(number)
    assert notebook.order == IDS
    assert (notebook.sources["a"], notebook.sources["c"]) == ("x = 1\nprint(x)", "y = x")


def test_cells_that_split_and_merge_in_one_call_are_taken_back_together_or_not_at_all() -> None:
    notebook = Shared()
    notebook.does({"op": "split", "cell_id": "a", "line": 2, "name": "n"}, {"op": "merge", "cell_ids": ["c", "n"]})
    notebook.write("c", "y = x\nprint(x)  # mine")
    with pytest.raises(CellChangedError, match="Nothing was taken back"):
        notebook.undo()
    assert (notebook.sources["a"], notebook.sources["c"]) == ("x = 1", "y = x\nprint(x)  # mine")


def test_an_undone_merge_that_is_undone_again_is_together_too() -> None:
    notebook = Shared()
    notebook.does({"op": "merge", "cell_ids": ["a", "c"]})
    undone = notebook.undo()
    notebook.write("c", "y = x + 1")
    with pytest.raises(CellChangedError, match="Nothing was taken back"):
        notebook.undo(undone["change"])
    assert (notebook.sources["a"], notebook.sources["c"]) == ("x = 1\nprint(x)", "y = x + 1")


def test_a_deleted_cell_comes_back_with_all_it_had_beside_its_former_neighbours() -> None:
    notebook = Shared()
    notebook.does({"op": "delete", "cell_ids": ["a", "b", "c"]})
    notebook.does({"op": "insert", "source": "top", "before": "d"}, agent="B")
    notebook.undo()
    assert [one for one in notebook.order if one in IDS] == IDS
    assert notebook.cell("a") == NOTEBOOK["cells"][0]
    assert notebook.cell("a")["outputs"] == [OUTPUT]


def test_a_cell_is_restored_by_its_id_and_only_once() -> None:
    notebook = Shared()
    notebook.does({"op": "delete", "cell_ids": ["b", "c"]})
    record = next(one for one in notebook.changes[0].cells if one.cell_id == "c")
    with acting("B"):
        reply = notebook.cells.restore(notebook.live, record, around=notebook.around())
        assert [(cell["id"], cell["new"]) for cell in reply["cells"]] == [("c", True)]
        assert notebook.order == ["a", "c", "d", "e"]
        with pytest.raises(BadCellError, match="it is there"):
            notebook.cells.restore(notebook.live, record, around=notebook.around())
    notebook.undo()
    assert notebook.order == IDS


def test_the_cell_a_person_types_in_is_left_to_them() -> None:
    notebook = Shared(grace=30)
    notebook.does(
        {"op": "replace", "cell_id": "a", "source": "x = 2"}, {"op": "replace", "cell_id": "c", "source": "y = 3"}
    )
    person = Tab(notebook.document, notebook.room.awareness)
    person.clicks(0)
    reply = notebook.undo()
    assert reply["kept"] == ["'a' stays as it is: Ada is typing in it."]
    assert (notebook.sources["a"], notebook.sources["c"]) == ("x = 2", "y = x")
    change = notebook.changes[-1]
    assert change.undone_by == "A"


def test_a_change_over_a_person_is_known_as_one() -> None:
    notebook = Shared(grace=30)
    Tab(notebook.document, notebook.room.awareness).clicks(0)
    notebook.does({"op": "replace", "cell_id": "a", "source": "x = 2"}, over_person=True)
    notebook.does({"op": "replace", "cell_id": "c", "source": "y = 2"}, over_person=True)
    assert [change.over for change in notebook.changes] == [None, "Ada"]


def test_metadata_that_others_changed_since_stays() -> None:
    notebook = Shared()
    notebook.does(
        {"op": "set_metadata", "metadata": {"title": "T", "authors": []}},
        {"op": "set_metadata", "cell_id": "b", "metadata": {"tags": ["u"], "k": 1}},
    )
    notebook.document.ycells[1]["metadata"]["tags"] = ["person"]
    meta: Any = notebook.document.ydoc.get("meta", type=type(notebook.document.ycells[0]))
    meta["metadata"]["title"] = "Theirs"
    reply = notebook.undo()
    assert notebook.cell("b")["metadata"] == {"tags": ["person"]}
    assert (notebook.content["metadata"]["title"], "authors" in notebook.content["metadata"]) == ("Theirs", False)
    assert reply["kept"] == ["The notebook's metadata title stays: it was changed since."]


@pytest.mark.parametrize("edit", [{"op": "clear_outputs"}, {"op": "merge", "cell_ids": ["a", "c"]}])
def test_outputs_come_back_where_an_open_page_looks_for_them(edit: dict[str, Any]) -> None:
    """A page holds the shared list of a cell's outputs: in another one it would show nothing, also of later runs."""
    notebook = Shared()
    at = notebook.live.locate(None, "a")
    held = notebook.document.ycells[at]["outputs"]
    notebook.does(edit)
    assert held.to_py() == []
    notebook.undo()
    assert held.to_py() == [OUTPUT]
    notebook.document.ycells[at]["outputs"].clear()
    assert held.to_py() == []


def test_untrusted_outputs_come_back_untrusted() -> None:
    notebook = Shared()
    notebook.does({"op": "set_type", "cell_id": "a", "cell_type": "markdown"})
    notebook.does({"op": "set_type", "cell_id": "a", "cell_type": "code"})
    assert notebook.cell("a")["metadata"]["trusted"] is True
    notebook.undo()
    notebook.undo()
    assert notebook.cell("a") == NOTEBOOK["cells"][0]


def test_the_history_is_bounded_in_number_and_in_size() -> None:
    history = History(most_characters=20_000, all_characters=30_000)
    from jupyter_mcp.notebooks.history import MOST_CHANGES, CellRecord  # noqa: PLC0415

    for room in ("one", "two", "three"):
        for number in range(MOST_CHANGES + 10):
            with acting():
                history.add(room, [CellRecord(str(number), {"source": ""}, {"source": "x"})], size=100)
    sizes = [sum(change.size for change in history.of(room)) for room in ("one", "two", "three")]
    assert sum(sizes) <= 30_000
    assert 0 < sizes[2] <= 20_000
    with acting():
        change = history.add("big", [CellRecord("a", None, None, "x")], size=1 << 20)
    assert change is not None
    assert change.forgotten
    assert change.cells == []
