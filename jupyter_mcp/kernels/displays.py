"""Where a kernel's displays are, for `update_display_data` messages."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

_MAX_DISPLAYS = 256  # display ids remembered for each kernel


class Shows(Protocol):
    """What has displays in one cell."""

    cell_id: str

    def replace(self, number: int, content: dict[str, Any]) -> None:
        """Show output `number` with the data of an `update_display_data` message."""


class Displays:
    """Where a kernel's displays are, for updates from other cells and from background threads."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, dict[tuple[str, int], Shows]] = OrderedDict()

    def add(self, display_id: str, sink: Shows, number: int) -> None:
        """Remember that output `number` of the sink's cell shows the display."""
        places = self._places.setdefault(display_id, {})
        places[(sink.cell_id, number)] = sink
        self._places.move_to_end(display_id)
        if len(self._places) > _MAX_DISPLAYS:
            self._places.popitem(last=False)

    def update(self, content: dict[str, Any]) -> None:
        """Apply an `update_display_data` message to every place of its display."""
        for (_, number), sink in self._places.get(content.get("transient", {}).get("display_id", ""), {}).items():
            sink.replace(number, content)

    def forget(self, cell_id: str) -> None:
        """Drop a cell's displays: it runs anew."""
        for display_id in list(self._places):
            places = self._places[display_id]
            for place in [place for place in places if place[0] == cell_id]:
                del places[place]
            if not places:
                del self._places[display_id]

    def hand_over(self, old: Shows, new: Shows) -> None:
        """Let `new` show what `old` did, under the same numbers."""
        for places in self._places.values():
            for place, sink in places.items():
                if sink is old:
                    places[place] = new
