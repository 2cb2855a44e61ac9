"""The people in a room: their names, and the cells that their carets are in.

JupyterLab (4.6) writes both into the room's awareness: `user`, and `cursors`, each with an `anchor` and a `head` that
name the shared text by its `type`. Anybody in the room can write anything there: what is odd is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from pycrdt import Assoc, Awareness, Map, Text

TextId = tuple[int, int]

SOMEBODY = "Somebody"
_LONGEST_NAME = 80  # characters
_MOST_CURSORS = 64  # of one person that are looked at; they are in one cell
_MOST_TEXTS = 64  # that are remembered of one person
_MOST_SILENT = 64  # people of one room


def name_of(state: object) -> str | None:
    """Return the name in an awareness state, on one line; None if it has none."""
    user = state.get("user") if isinstance(state, dict) else None
    if not isinstance(user, dict):
        return None
    for key in ("display_name", "name", "username"):
        if isinstance(user.get(key), str):
            shown = "".join(one if one.isprintable() else " " for one in user[key][:_LONGEST_NAME]).strip()
            if shown:
                return shown
    return None


class Carets:
    """Where the people in a room are and were, by the shared text, and when they last did something there.

    A page writes its cursors when they move, and leaves them there when the editor loses the focus: only what changes
    tells that somebody is there. Typing at the end of a cell changes the text alone. A page that renews its state too
    late is taken for gone by the room, and may be typing all the while: it keeps its cell until it says goodbye.
    """

    def __init__(
        self,
        awareness: Awareness,
        later: Callable[[Callable[[], None]], object],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Look at the people who are there and who come; `later` calls a function when no change is under way."""
        self._awareness = awareness
        self._later = later
        self._clock = clock
        self._cursors: dict[int, Any] = {}  # client: its cursors, as it wrote them
        self._seen: dict[int, dict[TextId, float]] = {}  # client: when it was last in a text
        self._names: dict[int, str | None] = {}
        self._silent: dict[int, None] = {}  # clients that the room gave up for want of a renewal; they may still type
        self._changed: list[Text] = []
        for client in list(awareness.states):
            self._look(client)
        self._subscription = awareness.observe(self._on_awareness)

    def release(self) -> None:
        """Look no more."""
        self._awareness.unobserve(self._subscription)

    def typed(self, text: Text) -> None:
        """Note that somebody who is no agent changed a cell's source; may be called from the change's observers."""
        if not self._changed:
            self._later(self._take)  # a text can't be asked for its id while it is being changed
        self._changed.append(text)

    def at(self, cell: Map[Any], seconds: float) -> str | None:
        """Return the name of a person who was in the cell's source within the last seconds; None if nobody was."""
        self._take()
        source = cell.get("source")
        if not self._seen or not isinstance(source, Text):
            return None
        text, since = text_id(source), self._clock() - seconds
        for client, seen in self._seen.items():
            if text in seen and seen[text] > since:
                return self._names.get(client) or SOMEBODY
        return None

    def _take(self) -> None:
        changed, self._changed = self._changed, []
        if not self._cursors:
            return
        texts = {text_id(text) for text in changed}
        for client, cursors in self._cursors.items():
            for text in _texts_of(cursors) & texts:
                self._note(client, text)

    def _on_awareness(self, topic: str, change: tuple[dict[str, Any], Any]) -> None:
        if topic != "change":  # an update besides is a renewal
            return
        clients, origin = change
        for client in clients["removed"]:
            if origin == "timeout" and client in self._seen:
                self._silent[client] = None
            else:
                self._forget(client)
        while len(self._silent) > _MOST_SILENT:
            self._forget(next(iter(self._silent)))
        for client in (*clients["added"], *clients["updated"]):
            self._silent.pop(client, None)
            self._look(client)

    def _forget(self, client: int) -> None:
        for known in (self._cursors, self._seen, self._silent, self._names):
            known.pop(client, None)

    def _look(self, client: int) -> None:
        state = self._awareness.states.get(client)
        cursors = state.get("cursors") if isinstance(state, dict) else None
        if client == self._awareness.client_id:
            return
        self._names[client] = name_of(state)
        if cursors == self._cursors.get(client):
            return
        self._cursors[client] = cursors
        for text in _texts_of(cursors):
            self._note(client, text)

    def _note(self, client: int, text: TextId) -> None:
        seen = self._seen.setdefault(client, {})
        seen.pop(text, None)
        seen[text] = self._clock()
        if len(seen) > _MOST_TEXTS:
            del seen[next(iter(seen))]


def _texts_of(cursors: object) -> set[TextId]:
    """Return the texts that a person's cursors are in."""
    texts: set[TextId] = set()
    for cursor in cursors[:_MOST_CURSORS] if isinstance(cursors, list) else ():
        for end in ("anchor", "head"):
            position = cursor.get(end) if isinstance(cursor, dict) else None
            text = text_id_in(position.get("type") if isinstance(position, dict) else None)
            if text is not None:
                texts.add(text)
    return texts


def text_id(text: Text) -> TextId:
    """Return what a relative position calls a text."""
    # At 0 and before, also an empty text has its id; at the end and after, pycrdt 0.14 panics.
    found: dict[str, int] = text.sticky_index(0, Assoc.BEFORE).to_json()["type"]
    return found["client"], found["clock"]


def text_id_in(found: object) -> TextId | None:
    """Return an id that a page wrote; None if it is none."""
    if not isinstance(found, dict):
        return None
    client, clock = found.get("client"), found.get("clock")
    return (client, clock) if isinstance(client, int) and isinstance(clock, int) else None
