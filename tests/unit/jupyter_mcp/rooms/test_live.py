"""A live notebook knows where its cells are without reading them all."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_mcp.rooms.live import Live
from tests.support.edit_cases import Loop
from tests.support.fake_live import notebook_of


class Counted:
    """Cells that count how often one is read."""

    def __init__(self, cells: Any) -> None:
        self.cells, self.reads = cells, 0

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, at: int) -> Any:
        self.reads += 1
        return self.cells[at]

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setattr("jupyter_mcp.rooms.live.asyncio.get_running_loop", Loop)
    return notebook_of("one", "two", "three")


def counted(live: Live) -> Counted:
    cells = Counted(live.document.ycells)
    live.document = SimpleNamespace(ycells=cells)  # type: ignore[assignment]
    return cells


def test_a_cell_that_is_gone_is_not_looked_for_in_the_whole_notebook(live: Live) -> None:
    del live.document.ycells[1]
    cells = counted(live)
    assert live.find("b") is None
    assert cells.reads == 0
    assert live.find("c") == 1
    assert cells.reads == 1
    assert live.ids() == ["a", "c"]
    assert cells.reads == 1


def test_a_cell_is_found_whose_id_was_changed_in_place(live: Live) -> None:
    live.document.ycells[1]["id"] = "other"
    assert live.ids() == ["a", "other", "c"]
    assert live.find("other") == 1
    assert live.find("b") is None
    live.document.ycells[2]["id"] = "b"
    assert live.find("b") == 2
    assert live.find("c") is None


def test_a_cell_that_a_person_made_or_moved_is_found(live: Live) -> None:
    cells = live.document.ycells
    cells.append(live.document.create_ycell({"id": "d", "cell_type": "code", "source": "", "metadata": {}}))
    assert live.find("d") == 3
    with live.document.ydoc.transaction():
        whole = live.document.get_cell(0)
        del cells[0]
        cells.append(live.document.create_ycell(whole))
    assert [live.find(one) for one in ("a", "b", "c", "d")] == [3, 0, 1, 2]
