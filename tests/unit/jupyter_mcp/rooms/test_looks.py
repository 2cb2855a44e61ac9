"""What people look at, from what their tabs say; odd tabs break nothing and say nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server_ydoc.rooms import DocumentRoom
from pycrdt import Assoc, Awareness, Doc

from jupyter_mcp.rooms import looks as looking
from jupyter_mcp.rooms.looks import EVERYWHERE, looks
from tests.support.tabs import Tab, notebook


class Rooms:
    """A notebook's room, and the room that all tabs share."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notebook = notebook()
        self.awareness = Awareness(self.notebook.ydoc)
        room: Any = DocumentRoom.__new__(DocumentRoom)
        monkeypatch.setattr(DocumentRoom, "awareness", self.awareness, raising=False)
        monkeypatch.setattr(looking, "document_of", lambda _: self.notebook)
        self.everywhere = Awareness(Doc())
        self.rooms = {"json:notebook:1": room, EVERYWHERE: SimpleNamespace(awareness=self.everywhere)}

    def looks(self) -> list[dict[str, Any]]:
        return looks(self.rooms, {"1": "a.ipynb"}.get)

    def front(self, **state: Any) -> None:
        """Let a tab write into the shared room."""
        tab = Awareness(Doc())
        tab.set_local_state({"user": {"display_name": "Ada"}, **state})
        self.everywhere.apply_awareness_update(tab.encode_awareness_update([tab.client_id]), "tab")

    def selects(self, tab: Tab, cell: int, start: int, end: int) -> None:
        """Select from one place to another, in bytes of UTF-8, as JupyterLab writes it."""
        text = self.notebook.ycells[cell]["source"]
        ends = [text.sticky_index(at, Assoc.AFTER).to_json() if at < len(text) else {} for at in (start, end)]
        kind = text.sticky_index(0, Assoc.BEFORE).to_json()["type"]
        anchor, head = ({"type": kind, "tname": None, "item": one.get("item"), "assoc": 0} for one in ends)
        tab.says(cursors=[{"anchor": anchor, "head": head, "primary": True, "empty": start == end}])


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(monkeypatch)


def test_a_person_with_the_notebook_in_front_and_a_selection_is_seen_with_all_that(rooms: Rooms) -> None:
    source = rooms.notebook.ycells[0]["source"]
    source += "\ntwo 漢\nthree"
    tab = Tab(rooms.notebook, rooms.awareness)
    rooms.selects(tab, 0, 4, 11)
    rooms.front(current="notebook:RTC:a.ipynb")
    found = {"name": "Ada", "path": "a.ipynb", "in_front": True, "cell_id": "a", "index": 0, "line": 2}
    assert rooms.looks() == [{**found, "selected": "two 漢"}]
    rooms.selects(tab, 0, 11, 4)
    assert rooms.looks() == [{**found, "selected": "two 漢"}]
    rooms.selects(tab, 0, 17, 17)
    assert rooms.looks() == [{**found, "line": 3}]


def test_a_caret_in_an_empty_cell_and_no_caret_at_all_are_told(rooms: Rooms) -> None:
    tab = Tab(rooms.notebook, rooms.awareness)
    assert rooms.looks() == [{"name": "Ada", "path": "a.ipynb", "in_front": False}]
    rooms.selects(tab, 1, 0, 0)
    assert rooms.looks() == [
        {"name": "Ada", "path": "a.ipynb", "in_front": False, "cell_id": "b", "index": 1, "line": 1}
    ]


def test_a_file_without_a_room_that_somebody_has_in_front_is_told(rooms: Rooms) -> None:
    rooms.front(current="editor:notes.txt")
    assert rooms.looks() == [{"name": "Ada", "path": "notes.txt", "in_front": True}]


ITEMS = [
    {"client": 99, "clock": 5},
    {"client": -1, "clock": -4},
    {"client": 10**30, "clock": 0},
    {"client": "x", "clock": None},
    7,
    [],
]


@pytest.mark.parametrize("item", ITEMS, ids=repr)
def test_a_place_that_leads_nowhere_says_nothing_and_panics_nothing(
    rooms: Rooms, item: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    tab = Tab(rooms.notebook, rooms.awareness)
    kind = rooms.notebook.ycells[0]["source"].sticky_index(0, Assoc.BEFORE).to_json()["type"]
    place = {"type": kind, "item": item, "assoc": 0}
    tab.says(cursors=[{"anchor": place, "head": place}])
    (look,) = rooms.looks()
    assert look["cell_id"] == "a"
    assert "selected" not in look
    assert "panic" not in capfd.readouterr().err


@pytest.mark.parametrize("cursors", [None, 7, {}, [None], [{}], [{"head": 3}], [{"head": {"type": []}}], [[]] * 5000])
def test_odd_cursors_leave_the_person_without_a_cell(rooms: Rooms, cursors: Any) -> None:
    Tab(rooms.notebook, rooms.awareness).says(cursors=cursors)
    assert rooms.looks() == [{"name": "Ada", "path": "a.ipynb", "in_front": False}]


@pytest.mark.parametrize("state", [{"current": 7}, {"current": "x"}, {"current": None}, {"user": 3, "current": "a:b"}])
def test_odd_states_of_the_shared_room_say_nothing(rooms: Rooms, state: dict[str, Any]) -> None:
    rooms.front(**state)
    assert rooms.looks() == []
