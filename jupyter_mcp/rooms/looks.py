"""What people look at: the notebook in front, the cell with the caret, and what is selected in it.

JupyterLab (4.6) says the first in a room that all tabs share, as `current` ("notebook:a.ipynb"); the rest is in each
notebook's room, as `cursors` with Yjs's relative positions. Any tab may write anything there: what is odd is passed
over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]
from jupyter_ydoc import YNotebook
from pycrdt import StickyIndex, Text

from jupyter_mcp.errors import FATAL

from .people import name_of, text_id, text_id_in
from .ydoc_private import document_of

EVERYWHERE = "JupyterLab:globalAwareness"
_MOST_PEOPLE = 50
_MOST_DOCUMENTS = 20
_MOST_CURSORS = 8
_LONGEST = 500  # characters of a selection, or of a path that a tab claims

Look = dict[str, Any]


def looks(rooms: Mapping[str, Any], path_of: Callable[[str], str | None]) -> list[Look]:
    """Return what each person looks at, who is in front of it first; `path_of` gives the path of a file's id."""
    fronts = dict(_fronts(rooms.get(EVERYWHERE)))
    found: list[Look] = []
    for room_id, room in rooms.items():
        path = path_of(room_id.rsplit(":", 1)[-1]) if isinstance(room, DocumentRoom) else None
        if path is None:
            continue
        document = document_of(room)
        for client, state in list(room.awareness.states.items()):
            name = None if client == room.awareness.client_id else name_of(state)
            if name is not None and len(found) < _MOST_PEOPLE:
                look: Look = {"name": name, "path": path, "in_front": fronts.get(name) == path}
                found.append({**look, **_cell(document, state)})
    told = {(look["name"], look["path"]) for look in found}
    others = [(name, path) for name, path in fronts.items() if path and (name, path) not in told]
    found += [{"name": name, "path": path, "in_front": True} for name, path in others[:_MOST_DOCUMENTS]]
    return sorted(found, key=lambda look: (not look["in_front"], look["name"], look["path"]))


def _fronts(room: Any) -> Iterator[tuple[str, str]]:
    """Yield who has which file in front."""
    states = getattr(getattr(room, "awareness", None), "states", {})
    for state in list(states.values())[:_MOST_PEOPLE]:
        name, current = name_of(state), state.get("current") if isinstance(state, dict) else None
        if name is not None and isinstance(current, str) and ":" in current:
            # Of a shared drive: "notebook:RTC:a.ipynb".
            yield name, current.split(":", 1)[1].removeprefix("RTC:")[:_LONGEST]


def _cell(document: Any, state: Any) -> Look:
    """Return the cell that somebody's caret is in, with its line and what is selected; nothing if there is none."""
    cursors = state.get("cursors") if isinstance(state, dict) else None
    if not isinstance(document, YNotebook) or not isinstance(cursors, list) or not cursors:
        return {}
    places = {text_id(cell["source"]): index for index, cell in enumerate(document.ycells) if _has_text(cell)}
    for cursor in cursors[:_MOST_CURSORS]:
        head = cursor.get("head") if isinstance(cursor, dict) else None
        at = text_id_in(head.get("type") if isinstance(head, dict) else None)
        if at in places:
            cell = document.ycells[places[at]]
            return {"cell_id": cell.get("id"), "index": places[at], **_selection(cell["source"], cursor)}
    return {}


def _has_text(cell: Any) -> bool:
    return isinstance(cell.get("source"), Text)


def _selection(source: Text, cursor: dict[str, Any]) -> Look:
    ends = [_offset(source, cursor.get(end)) for end in ("anchor", "head")]
    if None in ends:
        return {}
    start, end = sorted(at for at in ends if at is not None)
    text = str(source).encode()
    look: Look = {"line": text[: ends[1]].count(b"\n") + 1}
    if start < end:
        selected = text[start:end].decode("utf-8", "ignore")
        look["selected"] = selected if len(selected) <= _LONGEST else f"{selected[:_LONGEST]}…"
    return look


def _offset(source: Text, position: Any) -> int | None:
    """Return a relative position in bytes of UTF-8, as pycrdt counts; None for one that leads nowhere."""
    if not isinstance(position, dict):
        return None
    item = text_id_in(position.get("item"))
    if item is None:
        return 0 if position.get("assoc") == -1 else len(source)
    if not _held(source, *item):
        return None
    asked = {"item": {"client": item[0], "clock": item[1]}, "assoc": -1 if position.get("assoc") == -1 else 0}
    try:
        with source.doc.transaction() as transaction:
            at = StickyIndex.from_json(asked).get_index(transaction)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - boundary: pycrdt 0.14 panics for what was collected as garbage
        return None
    return min(at, len(source))


def _held(source: Text, client: int, clock: int) -> bool:
    """Return whether the document holds the item: pycrdt 0.14 panics if it does not."""
    if not 0 <= clock < 1 << 53 or not 0 <= client < 1 << 53:
        return False
    return clock < _clocks(source.doc.get_state()).get(client, 0)


def _clocks(state: bytes) -> dict[int, int]:
    """Return what a state vector says: of each client the number of items (Yjs, `readStateVector`)."""
    numbers = _numbers(state)
    count = next(numbers, 0)
    return {next(numbers): next(numbers) for _ in range(count)}


def _numbers(data: bytes) -> Iterator[int]:
    """Yield lib0's unsigned integers of variable length."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follows
            yield value
            value = shift = 0
