"""The people who come to a room just as it is closed: their tabs are sent round again."""

from __future__ import annotations

from typing import Any

from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]

TRY_AGAIN_LATER = 1013  # IANA's registry of WebSocket close codes; tabs reconnect after it


def send_round(server: Any) -> None:
    """Make the collaboration's websocket server close a tab whose room is gone.

    Between its handshake and its place among the room's clients nobody sees a tab, and the room may be closed
    as one that is empty. Upstream (jupyter-server-ydoc 3.0) then only logs that it found no room: the tab stays
    connected and empty, until JupyterLab gives it up after 30 s of silence. Reconnecting, it gets the next room.
    """
    serve = server.serve

    async def serve_or_send_round(tab: Any) -> None:
        # From this look until upstream has put the tab among the clients nothing awaits.
        if isinstance(tab.room, DocumentRoom) and server.rooms.get(tab.path) is not tab.room:
            tab.close(TRY_AGAIN_LATER, "The room was closed just now")
            return
        await serve(tab)

    server.serve = serve_or_send_round
