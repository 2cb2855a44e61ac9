"""A live notebook without a server: a real document in a room that only has what the extension looks at."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Awareness, Doc

from jupyter_mcp.rooms.live import Live


class FakeJournal:
    """A journal that keeps nothing."""

    broken = False
    oversized = False
    fault = None
    file = Path("n.journal")

    def ready(self, document: Doc[Any], size: int) -> None:
        """Take any edit."""

    def append(self, update: bytes) -> None:
        """Take an update."""

    def close(self, *, delete: bool) -> None:
        """Be closed."""


class FakeRoom:
    """A room of one document; hold `_update_lock` to be upstream, writing."""

    def __init__(self, document: YNotebook) -> None:
        self.room_id = "json:notebook:1"
        self.awareness = Awareness(document.ydoc)
        self.clients: set[Any] = set()
        self._update_lock = asyncio.Lock()


def notebook_of(*sources: str) -> Live:
    """Return a live notebook with these code cells, named a, b, c …"""
    document = YNotebook()
    for number, source in enumerate(sources):
        cell = {"id": chr(ord("a") + number), "cell_type": "code", "source": source, "metadata": {}, "outputs": []}
        document.append_cell({**cell, "execution_count": None})
    return Live("n.ipynb", FakeRoom(document), document, FakeJournal(), logging.getLogger("test"))  # type: ignore[arg-type]


def outputs_of(live: Live, at: int = 0) -> list[dict[str, Any]]:
    """Return what the document shows below a cell."""
    outputs: list[dict[str, Any]] = live.document.get_cell(at)["outputs"]
    return outputs
