"""Sessions that the server has forgotten are served all the same: nothing in a session of ours is needed.

A server that starts anew, or that ended a session which was idle, answers 404 by the letter of MCP (2025-11-25,
"Session Management"), and the client is to begin again. Many never do: their tools are gone until somebody restarts
them. So a new session is opened in the place of one that is not known, and the client goes on with the id it has. Only
what the client itself ended stays ended, and a session that somebody else has stays theirs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from jupyter_mcp.locks import KeyedLocks

from .session_cap import SessionCap, name_of, needs_session

_SESSION = "mcp-session-id"
_UNNAMED = "2025-03-26"  # the revision of a request that names none (MCP 2025-11-25, "Protocol Version Header")
_GONE = 404
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as the SDK makes them
_INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}

Key = tuple[str | None, str]  # who has a session, and the id that they know


class Revival:
    """An ASGI application before `SessionCap`: opens a session for each id that is not known, and keeps `most`."""

    def __init__(self, cap: SessionCap, most: int) -> None:
        self._cap = cap
        self._most = most
        self._inner: dict[Key, str] = {}  # the session that stands for one that is gone
        self._ended: dict[Key, None] = {}
        self._locks = KeyedLocks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, in a new session if its own is gone."""
        headers = Headers(scope=scope)
        session = headers.get(_SESSION)
        if session is None or not needs_session(headers.get(MCP_PROTOCOL_VERSION_HEADER)):
            await self._cap(scope, receive, send)
            return
        key: Key = name_of(scope.get("user")), session
        receive = _Replay(receive)
        if not await self._served(key, scope, receive, send):
            await self._revive(key, scope, receive, send)

    def _may_live(self, key: Key, scope: Scope) -> bool:
        theirs = self._cap.owner(key[1])
        return (
            scope["method"] in ("POST", "GET")
            and key not in self._ended
            and _ID.fullmatch(key[1]) is not None
            and (theirs is None or theirs == (key[0] or ""))
        )

    async def _served(self, key: Key, scope: Scope, receive: _Replay, send: Send) -> bool:
        """Serve the request in its session; false, with nothing sent, if that is gone and may be revived."""
        inner, revivable = self._inner.get(key), self._may_live(key, scope)
        gone = False

        async def watch(message: Message) -> None:
            nonlocal gone
            if message["type"] == "http.response.start":
                gone = message["status"] == _GONE and revivable
                if scope["method"] == "DELETE" and message["status"] < 300:  # noqa: PLR2004 - success
                    self._end(key)
                message = message if inner is None else _renamed(message, inner, key[1])
            if not gone:
                await send(message)

        await self._cap(scope if inner is None else _within(scope, inner), receive, watch)
        if gone and inner is not None and self._inner.get(key) == inner:
            del self._inner[key]
        receive.rewind()
        return not gone

    def _end(self, key: Key) -> None:
        self._inner.pop(key, None)
        self._ended[key] = None
        _bound(self._ended, self._most)

    async def _revive(self, key: Key, scope: Scope, receive: _Replay, send: Send) -> None:
        async with self._locks(f"{key[0]} {key[1]}"):
            if key not in self._inner:
                opened = await self._open(scope)
                if opened is None:
                    refusal = JSONResponse({"error": "Too many open sessions; try again."}, 503, {"Retry-After": "1"})
                    await refusal(scope, receive, send)
                    return
                self._inner[key] = opened
                _bound(self._inner, self._most)
            inner = self._inner[key]

        async def watch(message: Message) -> None:
            await send(_renamed(message, inner, key[1]))

        await self._cap(_within(scope, inner), receive, watch)

    async def _open(self, scope: Scope) -> str | None:
        """Open a session as the client would; return its id, None if there are too many."""
        version = Headers(scope=scope).get(MCP_PROTOCOL_VERSION_HEADER) or _UNNAMED
        params = {
            "protocolVersion": version if version in HANDSHAKE_PROTOCOL_VERSIONS else _UNNAMED,
            "capabilities": {},
            "clientInfo": {"name": "agent", "version": "0"},
        }
        asked = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        session = await self._post(_without_session(scope), asked)
        if session is not None:
            await self._post(_within(_without_session(scope), session), _INITIALIZED)
        return session

    async def _post(self, scope: Scope, body: dict[str, Any]) -> str | None:
        """Send a message to the SDK; return the session that the answer names."""
        found: list[str] = []

        async def receive() -> Message:
            if not sent:
                sent.append(True)
                return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}
            await asyncio.Event().wait()  # the client is here
            raise AssertionError  # pragma: no cover - it waits until it is cancelled

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:  # noqa: PLR2004 - success
                session = Headers(raw=message.get("headers", [])).get(_SESSION)
                found.extend([session] if session else [])

        sent: list[bool] = []
        await self._cap(scope, receive, collect)
        return found[0] if found else None


class _Replay:
    """A request's messages, which can be had once more from the first on."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._had: list[Message] = []
        self._next = 0

    async def __call__(self) -> Message:
        if self._next == len(self._had):
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._had.append(message)
        self._next += 1
        return self._had[self._next - 1]

    def rewind(self) -> None:
        """Begin again."""
        self._next = 0


def _renamed(message: Message, inner: str, outer: str) -> Message:
    """Return a response's head with the id that the client knows."""
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": _replaced(message.get("headers", []), lambda one: outer if one == inner else one)}


def _within(scope: Scope, session: str) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != _SESSION.encode()]
    return {**scope, "headers": [*kept, (_SESSION.encode(), session.encode())]}


def _replaced(headers: Any, change: Callable[[str], str]) -> list[tuple[bytes, bytes]]:
    session = _SESSION.encode()
    return [
        (name, change(value.decode("latin-1")).encode("latin-1") if name.lower() == session else value)
        for name, value in headers
    ]


def _without_session(scope: Scope) -> Scope:
    """Return the scope of a POST of the same client that has no session yet."""
    own = {_SESSION.encode(), b"last-event-id", b"content-length", b"content-type", b"accept"}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in own]
    headers += [(b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream")]
    return {**scope, "method": "POST", "headers": headers}


def _bound(table: dict[Key, Any], most: int) -> None:
    """Forget the oldest entries over `most`."""
    while len(table) > most:
        del table[next(iter(table))]
