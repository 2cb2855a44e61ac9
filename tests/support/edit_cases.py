"""A notebook of five cells to try edits on, and the edits of `edit_notebook` as Hypothesis makes them."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from jupyter_ydoc import YNotebook

from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.edit_requests import parse_edits
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.snapshot import read

from .fake_live import FakeJournal, FakeRoom

OUTPUT = {"output_type": "stream", "name": "stdout", "text": "1\n"}
NOTEBOOK: dict[str, Any] = {
    "cells": [
        {
            "id": "a",
            "cell_type": "code",
            "source": "x = 1\nprint(x)",
            "metadata": {"tags": ["t"]},
            "outputs": [OUTPUT],
            "execution_count": 3,
        },
        {"id": "b", "cell_type": "markdown", "source": "# Title\n\ntext", "metadata": {}},
        {"id": "c", "cell_type": "code", "source": "y = x", "metadata": {}, "outputs": [], "execution_count": None},
        {"id": "d", "cell_type": "raw", "source": "raw", "metadata": {}},
        {"id": "e", "cell_type": "markdown", "source": "end", "metadata": {}},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
IDS = ["a", "b", "c", "d", "e"]


class Journal(FakeJournal):
    """A journal that counts its frames."""

    def __init__(self) -> None:
        self.frames = 0

    def append(self, update: bytes) -> None:  # noqa: ARG002 - as the journal's
        self.frames += 1


class Notebook:
    """A live notebook, and the tool's operation on it."""

    def __init__(self, content: dict[str, Any] = NOTEBOOK, *, grace: float = 0) -> None:
        self.document = YNotebook()
        self.document.set(deepcopy(content))
        self.room = FakeRoom(self.document)
        self.journal = Journal()
        self.live = live_of(self.room, self.document, self.journal)
        self.cells = Cells(typing_grace=grace)

    def edit(self, *edits: Any, over_person: bool = False) -> dict[str, Any]:
        return self.cells.edit(self.live, parse_edits(list(edits)), over_person=over_person)

    @property
    def content(self) -> dict[str, Any]:
        return read(self.document)

    @property
    def sources(self) -> dict[str, str]:
        return {cell["id"]: cell["source"] for cell in self.content["cells"]}

    @property
    def order(self) -> list[str]:
        return [cell["id"] for cell in self.content["cells"]]


def live_of(room: Any, document: YNotebook, journal: Any) -> Live:
    return Live("n.ipynb", room, document, journal, logging.getLogger("test"))


class Loop:
    """Stands in for the loop where nothing is awaited."""

    def call_soon(self, *_: Any) -> None:
        """Call nothing."""


ID = st.sampled_from(IDS)
SOME = st.lists(ID, min_size=1, max_size=3, unique=True)
TEXT = st.sampled_from(["", "x", "x = 1", "a\nb\nc", "漢😀\nb", "text"])
TYPE = st.sampled_from(["code", "markdown", "raw"])
PLACE = st.one_of(
    st.just({}), ID.map(lambda one: {"before": one}), ID.map(lambda one: {"after": one})
)  # the end, or beside a cell


def op(name: str, **parts: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"op": st.just(name), **parts})


def placed(strategy: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(strategy, PLACE).map(lambda both: both[0] | both[1])


EDIT = st.one_of(
    placed(op("insert", source=TEXT, cell_type=TYPE)),
    placed(op("insert", cells=st.lists(st.fixed_dictionaries({"source": TEXT, "cell_type": TYPE}), min_size=1))),
    op("replace", cell_id=ID, source=TEXT),
    op("str_replace", old=st.sampled_from(["x", "e", "1"]), new=st.sampled_from(["", "xx", "漢"]), all=st.booleans()),
    op("str_replace", cell_id=ID, old=st.sampled_from(["x", "e"]), new=TEXT, all=st.booleans()),
    placed(op("move", cell_ids=SOME)),
    op("split", cell_id=ID, line=st.integers(1, 4)),
    op("merge", cell_ids=st.lists(ID, min_size=2, max_size=3, unique=True)),
    op("set_type", cell_ids=SOME, cell_type=TYPE),
    op("clear_outputs", cell_ids=SOME),
    op("clear_outputs"),
    op("set_metadata", cell_id=ID, metadata=st.sampled_from([{"tags": ["u"]}, {"tags": None, "k": {"n": [1]}}])),
    op("set_metadata", metadata=st.sampled_from([{"authors": [{"name": "Ada"}]}, {"kernelspec": None}])),
    op("delete", cell_ids=SOME),
)
