"""A page of JupyterLab as a room's awareness sees it: it sends back each state that it hears, as y-websocket does."""

from __future__ import annotations

from typing import Any

from pycrdt import Awareness, Doc, YMessageType, read_message


class Page:
    """A page that is open on a room."""

    path = "page"

    def __init__(self, room: Any, **state: Any) -> None:
        self.room = room
        self.heard = 0  # messages
        self.awareness = Awareness(Doc())
        self.awareness.observe(self._on_change)
        room.clients.add(self)
        if state:
            self.awareness.set_local_state(state)

    async def send(self, message: bytes) -> None:
        """Take a message of the room."""
        assert message[0] == YMessageType.AWARENESS
        self.heard += 1
        self.awareness.apply_awareness_update(read_message(message[1:]), "room")

    def _on_change(self, topic: str, change: tuple[dict[str, list[int]], Any]) -> None:
        if topic == "update":
            clients = [client for clients in change[0].values() for client in clients]
            self.room.awareness.apply_awareness_update(self.awareness.encode_awareness_update(clients), self)

    @property
    def others(self) -> list[dict[str, Any]]:
        """The states of everybody else."""
        return [
            state for client, state in self.awareness.states.items() if client != self.awareness.client_id and state
        ]

    def closes(self) -> None:
        """Leave the room."""
        self.awareness.set_local_state(None)
        self.room.clients.discard(self)


class Lobby:
    """A room without a document, as `JupyterLab:globalAwareness` is one."""

    def __init__(self) -> None:
        self.awareness = Awareness(Doc())
        self.clients: set[Any] = set()
