"""Clients that go on after a restart of the server, and clients that look for OAuth."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from .conftest import MakeServer, Server
from .test_tools import call, fresh

ACCEPT = {"Accept": "application/json, text/event-stream"}
START = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
SESSION = "Mcp-Session-Id"


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_client_goes_on_after_a_restart_as_if_nothing_had_been(make_server: MakeServer, era: str) -> None:
    server = make_server()
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="before")
            server.stop()
            server.start()
            assert (await call(client, "get_cell", path=path, index=0))["source"] == "before"
            await call(client, "update_cell", path=path, index=0, source="after")

    asyncio.run(run())


def message(reply: httpx.Response) -> Any:
    """Return the reply's message: one document, or on a busy machine the one event of a stream."""
    if reply.headers["Content-Type"].startswith("text/event-stream"):
        (data,) = [line[6:] for line in reply.text.splitlines() if line.startswith("data: {")]
        return json.loads(data)
    return reply.json()


def test_an_id_of_before_is_served_under_its_own_name_and_an_ended_one_is_not(make_server: MakeServer) -> None:
    server = make_server()
    opened = httpx.post(server.mcp, headers={**ACCEPT, **server.headers}, json=START)
    session = {SESSION: opened.headers[SESSION], "MCP-Protocol-Version": "2025-11-25"}
    headers = {**ACCEPT, **server.headers, **session}
    ask = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    before = message(httpx.post(server.mcp, headers=headers, json=ask))
    server.kill()
    server.start()
    after = httpx.post(server.mcp, headers=headers, json=ask)
    assert after.status_code == 200
    assert after.headers[SESSION] == opened.headers[SESSION]
    assert message(after) == before
    assert len(json.dumps(before["result"]["tools"], separators=(",", ":"))) < 16_000
    assert httpx.post(server.mcp, headers={**ACCEPT, **session}, json=ask).status_code == 401
    assert httpx.delete(server.mcp, headers=headers).status_code == 200
    assert httpx.post(server.mcp, headers=headers, json=ask).status_code == 404


PROBES = [
    ("GET", ".well-known/oauth-protected-resource"),
    ("GET", ".well-known/oauth-protected-resource/mcp"),
    ("GET", ".well-known/oauth-authorization-server"),
    ("GET", ".well-known/oauth-authorization-server/mcp"),
    ("GET", ".well-known/openid-configuration"),
    ("GET", "mcp/.well-known/openid-configuration"),
    ("POST", "register"),
    ("OPTIONS", ".well-known/oauth-protected-resource"),
]


@pytest.mark.parametrize(("verb", "path"), PROBES, ids=lambda value: value)
def test_who_looks_for_oauth_is_told_in_json_that_there_is_none(server: Server, verb: str, path: str) -> None:
    for headers in ({}, server.headers):
        answer = httpx.request(verb, server.url + path, headers=headers, json={} if verb == "POST" else None)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/json"
        assert "Authorization: Bearer" in answer.json()["error_description"]
        assert "Set-Cookie" not in answer.headers


def test_a_call_without_a_good_credential_is_told_what_to_send(server: Server) -> None:
    wrong: list[Any] = [{}, {"headers": {"Authorization": "Bearer wrong"}}, {"params": {"token": server.token}}]
    for options in wrong:
        answer = httpx.post(server.mcp, json=START, **{"headers": {}, **options})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["error"]
    assert "header" in answer.json()["error"]
    assert server.token not in server.log
