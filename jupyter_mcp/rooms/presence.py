"""Agents on people's screens: among the collaborators, with a coloured cursor in the cell that they work in.

JupyterLab (4.6) shows whoever has a state in the awareness of its two rooms: `JupyterLab:globalAwareness` (the
collaborators and where they are) and the notebook's (cursors). Agents have no page that would write such states, so
the server does. It sends them to the pages and keeps them out of the room's own awareness: upstream decides from that
whether to save (`autosave`), and who is there. Pages send back every state that they hear of, so what comes in is
taken out again.
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from logging import Logger
from typing import Any

from pycrdt import Assoc, Awareness, Doc, Map, Text, create_awareness_message

from .live import Live

GLOBAL_ROOM = "JupyterLab:globalAwareness"
STAYS = 60.0  # seconds that an agent is shown after its last call
RENEW_EVERY = 10.0  # seconds; pages forget a state that was not renewed for 30
_LOOK_EVERY = 1.0  # seconds between looks for pages that came
_SOON = 0.1  # seconds in which changes of one agent become one message
_MOST = 32  # agents that are shown at the same time
_COLOURS = 7  # --jp-collaborator-color1 to 7 of JupyterLab's themes
_REMEMBERED = 4096  # numbers of agents in awarenesses, of which pages may still speak


def user_of(agent_id: str, name: str, taken: set[str]) -> dict[str, str]:
    """Return an agent as JupyterLab knows users, in a colour that no other agent has, if one is left."""
    first = zlib.crc32(agent_id.encode())
    colours = [f"var(--jp-collaborator-color{(first + step) % _COLOURS + 1})" for step in range(_COLOURS)]
    words = re.findall(r"\w+", name.partition("(")[0].replace("_", " "))
    initials = "".join(word[0] for word in words[:2]).upper() or "A"
    return {
        "username": agent_id,
        "name": name,
        "display_name": name,
        "initials": initials,
        "color": next((colour for colour in colours if colour not in taken), colours[0]),
        "avatar_url": "",
    }


class _Seat:
    """One agent's state in one room, as the room's pages were told it."""

    def __init__(self, room: Any, clock: Callable[[], float]) -> None:
        self.room = room
        self._clock = clock
        self._awareness = Awareness(Doc())
        self._told: set[int] = set()  # pages, by their identity
        self._sent = 0.0
        self._message = b""

    @property
    def client(self) -> int:
        """The agent's number in the room's awareness."""
        return self._awareness.client_id

    async def show(self, state: dict[str, Any]) -> None:
        """Tell every page a new or old state, and pages that came since the one they lack."""
        pages = list(self.room.clients)
        due = self._clock() - self._sent >= RENEW_EVERY
        if due or state != self._awareness.get_local_state() or not self._message:
            self._say(state)
            self._told.clear()
        self._told &= {id(page) for page in pages}
        await self._send([page for page in pages if id(page) not in self._told])

    async def leave(self) -> None:
        """Tell every page that the agent is gone."""
        self._say(None)
        await self._send(list(self.room.clients))

    def _say(self, state: dict[str, Any] | None) -> None:
        self._awareness.set_local_state(state)
        self._message = create_awareness_message(self._awareness.encode_awareness_update([self.client]))
        self._sent = self._clock()

    async def _send(self, pages: list[Any]) -> None:
        for page in pages:
            with suppress(Exception):  # of a page that is leaving; its room logs what it is
                await page.send(self._message)
            self._told.add(id(page))


class _Shown:
    """An agent that is shown."""

    def __init__(self, user: dict[str, str]) -> None:
        self.user = user
        self.calls = 0
        self.last = 0.0
        self.path: str | None = None
        self.live: Live | None = None
        self.cell_id: str | None = None
        self.seats: dict[str, _Seat] = {}  # "everywhere" and "notebook"


class Presences:
    """The agents that people see. All methods but `close` only take notes; a task of its own tells the pages."""

    def __init__(
        self, rooms: Callable[[], Mapping[str, Any]], log: Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show agents in `rooms`, by their ids."""
        self._rooms = rooms
        self.log = log
        self._clock = clock
        self._shown: dict[str, _Shown] = {}
        self._gone: list[_Seat] = []
        self._clients: OrderedDict[int, None] = OrderedDict()
        self._watched: dict[int, tuple[Any, str]] = {}  # rooms, and what observes their awareness
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def arrives(self, agent_id: str, name: str, path: str | None) -> None:
        """Note that a call of the agent begins, on the notebook at `path` if it names one."""
        shown = self._shown.get(agent_id)
        if shown is None:
            if len(self._shown) >= _MOST:
                return
            shown = _Shown(user_of(agent_id, name, {other.user["color"] for other in self._shown.values()}))
            self._shown[agent_id] = shown
        shown.calls += 1
        shown.path = path or shown.path
        self._awake()

    def works(self, agent_id: str, live: Live, cell_id: str | None) -> None:
        """Note which notebook, and which cell of it, the agent works in; None: the cell is as it was."""
        shown = self._shown.get(agent_id)
        if shown is None:
            return
        if shown.live is not live:
            shown.live, shown.cell_id = live, None
        shown.path = live.path
        shown.cell_id = cell_id or shown.cell_id
        self._awake()

    def leaves(self, agent_id: str) -> None:
        """Note that a call of the agent ended; it is shown a while longer."""
        shown = self._shown.get(agent_id)
        if shown is not None:
            shown.calls = max(0, shown.calls - 1)
            shown.last = self._clock()

    def names(self) -> list[str]:
        """Return the names of the agents that are shown."""
        return [shown.user["name"] for shown in self._shown.values()]

    async def close(self) -> None:
        """Take every agent off the screens."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for shown in self._shown.values():
            self._gone.extend(shown.seats.values())
        self._shown.clear()
        await self._say_goodbye()
        self.tidy(everything=True)

    def tidy(self, *, everything: bool = False) -> None:
        """Let go of rooms that are closed."""
        there = () if everything else {id(room) for room in self._rooms().values()}
        for key in [key for key in self._watched if key not in there]:
            room, subscription = self._watched.pop(key)
            room.awareness.unobserve(subscription)

    def _awake(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            # Not in the context of the call that came first.
            self._task = asyncio.create_task(self._go_on(), context=Context())

    async def _go_on(self) -> None:
        while self._shown or self._gone:
            await asyncio.sleep(_SOON)
            self._wake.clear()
            try:
                await self.look()
            except Exception:  # boundary: what is shown must never stop what is done
                self.log.exception("Showing the agents to people failed; will try again")
            if self._shown:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY)

    async def look(self) -> None:
        """Tell the pages what changed since the last look, and what is due."""
        since = self._clock() - STAYS
        for agent_id, shown in list(self._shown.items()):
            if not shown.calls and shown.last < since:
                del self._shown[agent_id]
                self._gone.extend(shown.seats.values())
                continue
            if shown.live is not None and shown.live.released:
                shown.live = shown.cell_id = None
            self._sit(shown, "everywhere", self._rooms().get(GLOBAL_ROOM))
            self._sit(shown, "notebook", None if shown.live is None else shown.live.room)
        await self._say_goodbye()
        for shown in list(self._shown.values()):
            for place, seat in list(shown.seats.items()):
                await seat.show(_everywhere(shown) if place == "everywhere" else _in_notebook(shown))

    def _sit(self, shown: _Shown, place: str, room: Any) -> None:
        seat = shown.seats.get(place)
        if seat is not None and seat.room is not room:
            self._gone.append(shown.seats.pop(place))
            seat = None
        if seat is None and room is not None:
            shown.seats[place] = seat = _Seat(room, self._clock)
            self._clients[seat.client] = None
            if len(self._clients) > _REMEMBERED:
                self._clients.popitem(last=False)
            self._watch(room)

    async def _say_goodbye(self) -> None:
        gone, self._gone = self._gone, []
        for seat in gone:
            await seat.leave()

    def _watch(self, room: Any) -> None:
        if id(room) in self._watched:
            return
        awareness: Awareness = room.awareness

        def take_out(topic: str, change: tuple[dict[str, list[int]], Any]) -> None:
            if topic != "update":  # which comes after "change": who observes that one looks the states up
                return
            ours = [client for client in (*change[0]["added"], *change[0]["updated"]) if client in self._clients]
            if ours:
                awareness.remove_awareness_states(ours, "jupyter_mcp")

        self._watched[id(room)] = room, awareness.observe(take_out)


def _everywhere(shown: _Shown) -> dict[str, Any]:
    path = shown.path if shown.live is None else shown.live.path
    where = {"current": f"notebook:{path}", "documents": [path]} if path else {}
    return {"user": shown.user, **where}


def _in_notebook(shown: _Shown) -> dict[str, Any]:
    return {"user": shown.user, "cursors": _cursors(shown)}


def _cursors(shown: _Shown) -> list[dict[str, Any]]:
    if shown.live is None or shown.cell_id is None or (at := shown.live.find(shown.cell_id)) is None:
        return []
    cell: Map[Any] = shown.live.document.ycells[at]
    source = cell.get("source")
    if not isinstance(source, Text):
        return []
    # At 0 and before, also an empty text has its position; at the end and after, pycrdt 0.14 panics.
    # Yjs reads what is left out as a position too: only null is none.
    position = {"item": None, "tname": None, **source.sticky_index(0, Assoc.BEFORE).to_json()}
    return [{"anchor": position, "head": position, "primary": True, "empty": True}]
