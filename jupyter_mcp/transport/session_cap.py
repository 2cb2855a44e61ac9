"""At most so many sessions: who opens one more ends the one that was idle longest.

Each session of the stateful era costs some 60 KB, and a client that was killed never ends its own. The SDK (mcp 2.3)
refuses new ones at its limit, 10,000, until one has been idle for half an hour.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jupyter_mcp import metrics

_SESSION = "mcp-session-id"
_GONE = 404


@dataclass
class _Session:
    user: Any  # the principal the SDK asks for before it ends a session
    busy: int = 0  # requests that are being served, event streams too


def needs_session(version: str | None) -> bool:
    """Return whether the SDK serves a request with this MCP-Protocol-Version in a session's task."""
    return not version or version in HANDSHAKE_PROTOCOL_VERSIONS


class SessionCap:
    """An ASGI application before the SDK's: keeps its sessions at `most`."""

    def __init__(self, app: ASGIApp, most: int, most_of_user: int = 0) -> None:
        self._app = app
        self._most = most
        self._most_of_user = most_of_user  # 0: as many as all
        self._sessions: dict[str, _Session] = {}  # the last used at the end
        self._opening: Counter[str | None] = Counter()  # on their way, by user
        metrics.SESSIONS.watch(self._count)

    def _count(self) -> float:
        return len(self._sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one that opens a session may have to end another first."""
        headers = Headers(scope=scope)
        if not needs_session(headers.get(MCP_PROTOCOL_VERSION_HEADER)):
            await self._app(scope, receive, send)
        elif (session_id := headers.get(_SESSION)) is not None:
            await self._serve(session_id, scope, receive, send)
        else:
            await self._open(scope, receive, send)

    def owner(self, session_id: str) -> str | None:
        """Return who has the session; None if there is none of that id."""
        session = self._sessions.get(session_id)
        return None if session is None else name_of(session.user) or ""

    async def _serve(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._sessions.get(session_id)
        if session is None or name_of(session.user) != name_of(scope.get("user")):
            await self._app(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                ended = scope["method"] == "DELETE" and message["status"] < 300  # noqa: PLR2004 - success
                if ended or message["status"] == _GONE:
                    self._sessions.pop(session_id, None)
            await send(message)

        session.busy += 1
        try:
            await self._app(scope, receive, watch)
        finally:
            session.busy -= 1
            if self._sessions.pop(session_id, None) is not None:
                self._sessions[session_id] = session

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = name_of(scope.get("user"))
        while self._full_for(user) or self._full():
            theirs = self._full_for(user)
            if not await self._end_idlest(scope, user if theirs else ...):
                if theirs:
                    metrics.LIMITED.labels("sessions").inc()
                what = "You have too many open sessions; end one, or try" if theirs else "Too many open sessions; try"
                refusal = JSONResponse({"error": f"{what} again."}, 429 if theirs else 503, {"Retry-After": "1"})
                await refusal(scope, receive, send)
                return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:  # noqa: PLR2004 - no error
                session_id = Headers(raw=message.get("headers", [])).get(_SESSION)
                if session_id is not None:
                    self._sessions[session_id] = _Session(scope.get("user"))
            await send(message)

        self._opening[user] += 1
        try:
            await self._app(scope, receive, watch)
        finally:
            self._opening[user] -= 1
            if not self._opening[user]:
                del self._opening[user]

    def _full(self) -> bool:
        return len(self._sessions) + self._opening.total() >= self._most

    def _full_for(self, user: str | None) -> bool:
        if not self._most_of_user:
            return False
        theirs = sum(name_of(session.user) == user for session in self._sessions.values())
        return theirs + self._opening[user] >= self._most_of_user

    async def _end_idlest(self, scope: Scope, user: str | EllipsisType | None) -> bool:
        """End the session, of anybody (...) or of a user, that was idle longest, as its client would; true if so."""
        idle = (
            session_id
            for session_id, session in self._sessions.items()
            if not session.busy and (user is ... or name_of(session.user) == user)
        )
        found = next(idle, None)
        if found is None:
            return False
        session = self._sessions.pop(found)
        host = Headers(scope=scope).get("host", "localhost")
        headers = [(b"host", host.encode("latin-1")), (_SESSION.encode(), found.encode("latin-1"))]

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def ignore(_: Message) -> None:
            pass

        await self._app({**scope, "method": "DELETE", "headers": headers, "user": session.user}, nothing, ignore)
        return True


def name_of(user: Any) -> str | None:
    """Return who a session belongs to."""
    return getattr(user, "username", None)
