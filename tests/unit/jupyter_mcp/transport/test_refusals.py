"""What is no JSON-RPC message is told so; the SDK's own server answers what is one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastmcp import FastMCP

from jupyter_mcp.transport.refusals import PlainRefusals

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
INITIALIZE = {
    **PING,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
}


def answered(*bodies: Any) -> list[httpx.Response]:
    """Return the answers to bodies that are sent one after the other in a session."""

    async def ask() -> list[httpx.Response]:
        app = FastMCP("test").http_app(path="/mcp")
        transport = httpx.ASGITransport(PlainRefusals(app))
        async with app.lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://a", timeout=30) as client:
            opened = await client.post("/mcp", json=INITIALIZE, headers=HEADERS)
            headers = {**HEADERS, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
            return [
                await client.post(
                    "/mcp", content=body if isinstance(body, bytes) else json.dumps(body), headers=headers
                )
                for body in bodies
            ]

    return asyncio.run(ask())


BAD: dict[str, tuple[Any, str]] = {
    "an id of null": ({**PING, "id": None}, '"id"'),
    "an id of a fraction": ({**PING, "id": 1.5}, '"id"'),
    "an id of true": ({**PING, "id": True}, '"id"'),
    "an id of an object": ({**PING, "id": {}}, '"id"'),
    "a batch": ([PING, PING], "batches are not served"),
    "an empty batch": ([], "batches are not served"),
    "a number": (5, "is an object"),
    "null": (None, "is an object"),
    "no version": ({"id": 1, "method": "ping"}, '"jsonrpc": "2.0"'),
    "another version": ({**PING, "jsonrpc": "1.0"}, '"jsonrpc": "2.0"'),
    "no method": ({"jsonrpc": "2.0", "id": 1}, '"method"'),
    "a method of null": ({**PING, "method": None}, '"method"'),
    "params that are a list": ({**PING, "params": [1]}, '"params"'),
}


@pytest.mark.parametrize(("body", "told"), BAD.values(), ids=BAD)
def test_what_is_no_message_is_refused_in_a_sentence(body: Any, told: str) -> None:
    (answer,) = answered(body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert told in error["message"]
    assert len(error["message"]) < 150
    assert error["code"] == -32600
    assert answer.json()["id"] is None


def test_what_is_a_message_is_answered_as_ever() -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = {"jsonrpc": "2.0", "id": 9, "result": {}}
    ping, named, noted, told, broken = answered(PING, {**PING, "id": "a", "params": None}, notification, response, b"{")
    assert [ping.status_code, named.status_code, noted.status_code, told.status_code] == [200, 200, 202, 202]
    assert broken.status_code == 400
    assert broken.json()["error"]["code"] == -32700
