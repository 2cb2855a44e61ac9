"""A session that the server has forgotten goes on under its id; what its client ended does not."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from jupyter_mcp.transport.revival import Revival
from jupyter_mcp.transport.session_cap import SessionCap

OLD = "0" * 31 + "f"


class Application:
    """The SDK's sessions: 404 for one that it does not know, or that is another's."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []  # session, verb, method
        self.initialized: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        session, user = headers.get(b"mcp-session-id", b"").decode(), scope["user"].username
        body, status = b"", 200
        if scope["method"] == "POST":
            body = (await receive())["body"]
        method = json.loads(body)["method"] if body else ""
        if session and self.open.get(session) != user:
            status = 404
        elif not session:
            session = f"{len(self.asked):032x}"
            self.open[session] = user
            assert headers[b"accept"] == b"application/json, text/event-stream"
            assert json.loads(body)["params"]["protocolVersion"] == "2025-11-25"
        elif scope["method"] == "DELETE":
            del self.open[session]
        self.asked.append((session, scope["method"], method))
        if method == "notifications/initialized":
            self.initialized.append(session)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"mcp-session-id", session.encode())]}
        )
        await send({"type": "http.response.body", "body": body})


class Server:
    """The application behind the cap and the revival."""

    def __init__(self, most: int = 10) -> None:
        self.app = Application()
        self.cap = SessionCap(self.app, most)
        self.revival = Revival(self.cap, most)

    async def ask(
        self, session: str, method: str = "ping", *, verb: str = "POST", user: str = "ada", era: str = "2025-11-25"
    ) -> tuple[int, str, bytes]:
        """Send a request; return the answer's status, session and body."""
        body = json.dumps({"method": method}).encode() if verb == "POST" else b""
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        answered: list[Any] = []

        async def receive() -> Message:
            return messages.pop(0)

        async def send(message: Message) -> None:
            answered.append(message)

        headers = [(b"host", b"h"), (b"mcp-protocol-version", era.encode()), (b"mcp-session-id", session.encode())]
        scope = {"type": "http", "method": verb, "headers": headers, "user": SimpleNamespace(username=user)}
        await self.revival(scope, receive, send)
        start, *rest = answered
        return (
            start["status"],
            dict(start["headers"])[b"mcp-session-id"].decode(),
            b"".join(one["body"] for one in rest),
        )


def test_a_session_of_before_the_restart_goes_on_under_its_id_with_the_request_whole() -> None:
    async def run() -> None:
        server = Server()
        status, session, body = await server.ask(OLD, "tools/list")
        assert (status, session, json.loads(body)) == (200, OLD, {"method": "tools/list"})
        assert await server.ask(OLD) == (200, OLD, b'{"method": "ping"}')
        assert len(server.app.open) == len(server.app.initialized) == 1
        assert [method for _, _, method in server.app.asked].count("initialize") == 1
        assert (await server.ask(OLD, verb="GET"))[:2] == (200, OLD)

    asyncio.run(run())


def test_a_session_that_is_gone_again_is_opened_again() -> None:
    async def run() -> None:
        server = Server()
        await server.ask(OLD)
        server.app.open.clear()
        assert (await server.ask(OLD))[0] == 200
        assert len(server.app.open) == 1

    asyncio.run(run())


def test_many_requests_at_once_open_one_session() -> None:
    async def run() -> None:
        server = Server()
        found = await asyncio.gather(*(server.ask(OLD) for _ in range(5)))
        assert {status for status, _, _ in found} == {200}
        assert len(server.app.open) == 1

    asyncio.run(run())


def test_what_its_client_ended_stays_ended() -> None:
    async def run() -> None:
        server = Server()
        await server.ask(OLD)
        assert (await server.ask(OLD, verb="DELETE"))[0] == 200
        assert (await server.ask(OLD))[0] == 404
        assert server.app.open == {}
        other = OLD.replace("f", "e")
        assert (await server.ask(other, verb="DELETE"))[0] == 404

    asyncio.run(run())


def test_two_people_with_one_id_have_a_session_each_and_a_live_one_is_its_owners_alone() -> None:
    async def run() -> None:
        server = Server()
        assert (await server.ask(OLD))[0] == (await server.ask(OLD, user="bob"))[0] == 200
        assert sorted(server.app.open.values()) == ["ada", "bob"]
        (adas,) = [session for session, user in server.app.open.items() if user == "ada"]
        assert (await server.ask(adas, user="bob"))[0] == 404
        assert (await server.ask(adas))[0] == 200

    asyncio.run(run())


def test_an_id_that_no_server_of_ours_gives_is_not_served_and_neither_is_another_era() -> None:
    async def run() -> None:
        server = Server()
        for odd in ("x", "../" * 20, OLD + "0", OLD.upper(), "a" * 5000):
            assert (await server.ask(odd))[0] == 404
        assert (await server.ask(OLD, era="2026-07-28"))[0] == 404
        assert server.app.open == {}

    asyncio.run(run())


def test_made_up_ids_stay_within_the_cap() -> None:
    async def run() -> None:
        server = Server(most=3)
        for number in range(10):
            assert (await server.ask(f"{number:032x}"))[0] == 200
        assert len(server.app.open) <= 3
        assert len(server.revival._inner) <= 3
        for number in range(10):
            await server.ask(f"{number:032x}", verb="DELETE")
        assert len(server.revival._ended) <= 3

    asyncio.run(run())
