"""A person's tab as a room sees it: a copy of the document, and an awareness state with a caret in it."""

from __future__ import annotations

from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Array, Assoc, Awareness, Doc, Text

TWO_CELLS = {
    "cells": [
        {"cell_type": "code", "id": "a", "source": "one", "metadata": {}, "outputs": [], "execution_count": None},
        {"cell_type": "code", "id": "b", "source": "", "metadata": {}, "outputs": [], "execution_count": None},
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def notebook() -> YNotebook:
    """Return a shared notebook of two code cells, "a" and the empty "b"."""
    made = YNotebook()
    made.set(TWO_CELLS)
    return made


class Tab:
    """A person's tab on a room's document and awareness."""

    def __init__(self, room: YNotebook, awareness: Awareness, name: object = "Ada") -> None:
        self._room, self._there = room.ydoc, awareness
        self._doc: Doc[Any] = Doc()
        self._doc.apply_update(self._room.get_update())
        self._here = Awareness(self._doc)
        self.says(user={"display_name": name, "username": name and "ada"})

    @property
    def client(self) -> int:
        """The tab's number in the awareness."""
        return self._here.client_id

    def says(self, **fields: Any) -> None:
        """Write fields into the awareness state."""
        self.is_(self._here.get_local_state() | fields)  # type: ignore[operator]

    def is_(self, state: Any) -> None:
        """Write the whole awareness state; without a change that renews it."""
        self._here.set_local_state(state)
        self._there.apply_awareness_update(self._here.encode_awareness_update([self.client]), "tab")

    def renews(self) -> None:
        """Write the same state once more."""
        self.is_(self._here.get_local_state())

    def says_again(self) -> None:
        """Come back with the state it had when it left."""
        self.is_(self._left)

    def leaves(self) -> None:
        """Close the tab."""
        self._left = self._here.get_local_state()
        self.is_(None)

    def clicks(self, cell: int, at: int = 0) -> None:
        """Put the caret into a cell, as JupyterLab writes it: with Yjs's relative positions."""
        position = {"type": self._text(cell).sticky_index(0, Assoc.BEFORE).to_json()["type"], "tname": None}
        position |= {"item": {"client": 1, "clock": at} if at else None, "assoc": 0}
        self.says(cursors=[{"anchor": position, "head": position, "primary": True, "empty": True}])

    def types(self, cell: int, text: str) -> None:
        """Type at the end of a cell."""
        self._doc.apply_update(self._room.get_update())
        self._text(cell).insert(len(self._text(cell)), text)
        self._room.apply_update(self._doc.get_update())

    def _text(self, cell: int) -> Text:
        cells: Array[Any] = self._doc.get("cells", type=Array)
        text: Text = cells[cell]["source"]
        return text
