"""One session more than the limit ends the one that was idle longest, and never another."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from jupyter_mcp.transport.session_cap import SessionCap
from tests.support.measured import told

HANDSHAKE = (b"mcp-protocol-version", b"2025-11-25")


class Application:
    """Opens a session for each request without one, as the SDK does, and ends one at DELETE."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.made = 0
        self.held = asyncio.Event()
        self.held.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        session = dict(scope["headers"]).get(b"mcp-session-id", b"").decode()
        status, headers = 200, []
        if scope["method"] == "DELETE":
            self.open.remove(session)
        elif not session:
            self.made += 1
            session = f"s{self.made}"
            self.open.append(session)
            headers = [(b"mcp-session-id", session.encode())]
        elif session not in self.open:
            status = 404
        await self.held.wait()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    app: Any, session: str | None = None, method: str = "POST", *, handshake: bool = True, user: str = "ann"
) -> int:
    """Send a request; returns the status of the answer."""
    headers = [HANDSHAKE] if handshake else [(b"mcp-protocol-version", b"2026-07-28")]
    if session is not None:
        headers.append((b"mcp-session-id", session.encode()))
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": "/mcp",
        "headers": headers,
        "user": SimpleNamespace(username=user),
    }
    await app(scope, receive, send)
    status: int = answered[0]["status"]
    return status


def test_one_more_than_the_limit_ends_the_session_that_was_idle_longest() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 2)
        for _ in range(2):
            assert await ask(cap) == 200
        assert await ask(cap, "s1") == 200  # s2 is now the one that is idle longest
        assert await ask(cap) == 200
        assert app.open == ["s1", "s3"]
        assert await ask(cap, "s2") == 404

    asyncio.run(run())


def test_a_session_that_is_being_served_is_not_ended() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 1)
        assert await ask(cap) == 200
        app.held.clear()
        served = asyncio.create_task(ask(cap, "s1"))
        await asyncio.sleep(0)
        assert await ask(cap) == 503
        app.held.set()
        assert await served == 200
        assert app.open == ["s1"]

    asyncio.run(run())


def test_a_session_that_its_client_ended_makes_room() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 1)
        assert await ask(cap) == 200
        assert await ask(cap, "s1", "DELETE") == 200
        assert await ask(cap) == 200
        assert app.open == ["s2"]

    asyncio.run(run())


def test_requests_of_the_era_without_sessions_are_not_counted() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 1)
        for _ in range(3):
            assert await ask(cap, handshake=False) == 200
        assert len(app.open) == 3

    asyncio.run(run())


def test_a_user_with_as_many_sessions_as_one_may_have_loses_an_own_one_and_nobody_elses() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 10, 2)
        assert await ask(cap, user="bob") == 200  # s1, idle longest
        for _ in range(3):
            assert await ask(cap, user="ann") == 200
        assert app.open == ["s1", "s3", "s4"]
        assert await ask(cap, "s1", user="bob") == 200

    asyncio.run(run())


def test_a_user_whose_sessions_are_all_busy_is_told_to_try_again_and_others_open_theirs() -> None:
    async def run() -> None:
        app = Application()
        cap = SessionCap(app, 10, 1)
        before = told("jupyter_mcp_limit_refusals_total", {"limit": "sessions"})
        assert await ask(cap, user="ann") == 200
        app.held.clear()
        served = asyncio.create_task(ask(cap, "s1", user="ann"))
        await asyncio.sleep(0)
        assert await ask(cap, user="ann") == 429
        app.held.set()
        assert await ask(cap, user="bob") == 200
        assert await served == 200
        assert app.open == ["s1", "s2"]
        assert told("jupyter_mcp_limit_refusals_total", {"limit": "sessions"}) == before + 1

    asyncio.run(run())
