"""The bridge carries what plain ASGI servers carry: streams, disconnects, large bodies; and ends cleanly."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from .conftest import MakeServer, Server
from .test_outside import eventually
from .test_tools import call, fresh

MODERN, STATEFUL = "2026-07-28", "2025-11-25"
ACCEPT = {"Accept": "application/json, text/event-stream"}


def modern(tool: str, **arguments: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Return headers and body of one tool call in the sessionless era."""
    headers = {**ACCEPT, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return headers, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


async def settle(server: Server, wanted: dict[str, int], names: tuple[str, ...], slack: int = 2) -> None:
    """Wait until the counts are again what they were."""

    async def grown() -> list[str]:
        now = server.counts()
        return [f"{name}: {wanted[name]} -> {now[name]}" for name in names if now[name] > wanted[name] + slack]

    await eventually(grown, [], 60)


async def arrived(server: Server, before: dict[str, int], count: int) -> None:
    """Wait until so many calls more than before are in the server."""

    async def more() -> bool:
        return (await asyncio.to_thread(server.counts))["tasks"] >= before["tasks"] + count

    await eventually(more, wanted=True)


def test_a_hundred_streams_at_once_each_get_their_answer_and_leave_nothing(server: Server) -> None:
    path = fresh()
    headers, body = modern("watch_notebook", path=path, timeout=60)

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "open_notebook_session", path=path)
            before = server.counts()
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(headers=server.headers, timeout=60, limits=limits) as http:
                watching = [asyncio.create_task(http.post(server.mcp, headers=headers, json=body)) for _ in range(100)]
                await arrived(server, before, 100)
                await call(client, "insert_cell", path=path, index=-1, source="x")
                for reply in await asyncio.gather(*watching):
                    assert reply.json()["result"]["structuredContent"] == {"changed": True, "cell_count": 2}
            await settle(server, before, ("tasks", "fds"))

    asyncio.run(run())


def test_a_hundred_clients_that_vanish_in_mid_stream_leave_nothing(server: Server) -> None:
    path = fresh()
    headers, body = modern("watch_notebook", path=path, timeout=3000)
    data = json.dumps(body).encode()
    lines = [f"POST {httpx.URL(server.mcp).path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    lines += [f"{name}: {value}" for name, value in {**server.headers, **headers}.items()]
    lines += ["Content-Type: application/json", f"Content-Length: {len(data)}", "", ""]

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "open_notebook_session", path=path)
            before = server.counts()
            sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
            for one in sockets:
                one.sendall("\r\n".join(lines).encode() + data)
            await arrived(server, before, 100)
            for one in sockets:
                one.close()
            await settle(server, before, ("tasks", "fds"))

    asyncio.run(run())


@pytest.mark.slow
def test_a_reader_that_stops_reading_does_not_grow_the_server(server: Server) -> None:
    """Twenty replies of 20 MB are asked for and never read."""
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            for _ in range(2):
                await call(client, "insert_cell", path=path, index=-1, source="x" * (2 << 20))
            before = server.counts()
            headers, body = modern("get_notebook", path=path)
            data = json.dumps(body).encode()
            lines = [f"POST {httpx.URL(server.mcp).path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
            lines += [f"{name}: {value}" for name, value in {**server.headers, **headers}.items()]
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}", "", ""]
            one = socket.create_connection(("127.0.0.1", server.port))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(20):  # pipelined: the second is not begun before the first is taken
                one.sendall("\r\n".join(lines).encode() + data)
            await asyncio.to_thread(one.recv, 1, socket.MSG_PEEK)  # it has begun to answer
            await asyncio.sleep(1)
            assert server.counts()["rss"] - before["rss"] < 150 << 20
            one.close()
            await settle(server, before, ("tasks", "fds"))
            await call(client, "close_notebook_session", path=path)

    asyncio.run(run())


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_bodies_above_four_mebibytes_up_to_the_limit_are_taken(server: Server, era: str) -> None:
    path = fresh()
    source = "#" + "é" * (3 << 20)  # 6 MiB as UTF-8

    async def run() -> None:
        async with server.client(mode=era) as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source=source)
            await call(client, "close_notebook_session", path=path)
        saved = json.loads((server.folder / path).read_text())
        assert "".join(saved["cells"][0]["source"]) == source

    asyncio.run(run())


def test_a_body_without_a_length_is_bounded_too(server: Server) -> None:
    def chunks(count: int) -> Any:
        for _ in range(count):
            yield b" " * (1 << 20)

    reply = httpx.post(server.mcp, headers={**server.headers, **ACCEPT}, content=chunks(16))
    assert reply.status_code == 400  # taken, and no JSON
    try:
        refused = httpx.post(server.mcp, headers={**server.headers, **ACCEPT}, content=chunks(40))
    except httpx.TransportError:
        return  # cut off
    assert refused.status_code in (400, 413)


@contextmanager
def session(server: Server) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """Open a session of the stateful era; gives a client and the session's headers."""
    params = {"protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    with httpx.Client(headers={**server.headers, **ACCEPT}, timeout=20) as http:
        opened = http.post(server.mcp, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        headers = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "MCP-Protocol-Version": STATEFUL}
        http.post(server.mcp, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
        yield http, headers


def tool_call(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the body of one call in a session."""
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def test_a_short_call_of_a_session_is_answered_with_one_json_document(server: Server) -> None:
    with session(server) as (http, headers):
        reply = http.post(server.mcp, json=tool_call("create_notebook", path=(path := fresh())), headers=headers)
        assert reply.headers["Content-Type"] == "application/json"
        assert int(reply.headers["Content-Length"]) == len(reply.content)
        assert reply.headers["Mcp-Session-Id"] == headers["Mcp-Session-Id"]
        assert reply.json()["id"] == 7
        assert reply.json()["result"]["structuredContent"]["path"] == path
        refused = http.post(server.mcp, json=tool_call("create_notebook", path=path), headers=headers)
        assert refused.headers["Content-Type"] == "application/json"
        assert refused.json()["result"]["isError"]


def test_a_long_call_of_a_session_is_a_stream_that_begins_before_the_result(server: Server) -> None:
    path = fresh()
    with session(server) as (http, headers), session(server) as (other, others):
        other.post(server.mcp, json=tool_call("create_notebook", path=path), headers=others)
        watch = tool_call("watch_notebook", path=path, timeout=600)
        with http.stream("POST", server.mcp, json=watch, headers=headers) as stream:
            # Nothing has changed yet: a head that waited for the result would not be here.
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            other.post(server.mcp, json=tool_call("insert_cell", path=path, index=0, source="x"), headers=others)
            data = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        assert [message["result"]["structuredContent"]["changed"] for message in data] == [True]


def test_calls_leave_nothing_to_the_garbage_collector(server: Server) -> None:
    calls = 20  # together less than what makes the collector come by itself
    with session(server) as (http, headers):
        body = tool_call("get_active_sessions")
        http.post(server.mcp, json=body, headers=headers)
        server.counts()
        for _ in range(calls):
            http.post(server.mcp, json=body, headers=headers)
        assert server.counts()["garbage"] < 5 * calls


def test_a_stateful_sessions_stream_opens_at_once(server: Server) -> None:
    """Its first event may be minutes away; its head may not."""
    with session(server) as (http, headers):
        with http.stream("GET", server.mcp, headers={**headers, "Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert http.delete(server.mcp, headers=headers).status_code == 200
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        assert http.post(server.mcp, json=ping, headers=headers).status_code == 404


def told(reply: httpx.Response) -> str:
    """Return what a refused call was told."""
    result = reply.json()["result"]
    assert result["isError"]
    return str(result["content"][0]["text"])


def test_over_the_limit_of_streams_is_a_retry_and_the_places_come_back(make_server: MakeServer) -> None:
    server = make_server(options=("--JupyterMCP.max_streams=3", "--JupyterMCP.max_watchers=2"))
    path = fresh()
    headers, body = modern("watch_notebook", path=path, timeout=3000)

    async def run() -> None:
        async with httpx.AsyncClient(headers=server.headers, timeout=60) as http:
            create_headers, create = modern("create_notebook", path=path)
            await http.post(server.mcp, headers=create_headers, json=create)
            three = [asyncio.create_task(http.post(server.mcp, headers=headers, json=body)) for _ in range(3)]
            (refused,), watching = await asyncio.wait(three, return_when=asyncio.FIRST_COMPLETED)
            assert "Too many watchers" in told(refused.result())
            for reply in await asyncio.gather(*[http.post(server.mcp, headers=headers, json=body) for _ in range(3)]):
                if reply.status_code == 503:
                    assert reply.headers["Retry-After"] == "1"
                else:
                    assert "Too many watchers" in told(reply)
            edit_headers, edit = modern("insert_cell", path=path, index=0, source="x")
            assert (await http.post(server.mcp, headers=edit_headers, json=edit)).status_code == 200
            for reply in await asyncio.gather(*watching):
                assert reply.json()["result"]["structuredContent"]["changed"]
            for _ in range(20):
                assert (await http.post(server.mcp, headers=create_headers, json=create)).status_code == 200

    asyncio.run(run())


def test_the_server_stops_with_streams_cells_and_rooms_open(make_server: MakeServer) -> None:
    server = make_server()
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="import time; time.sleep(600)")
            await call(client, "insert_cell", path=path, index=-1, source="kept = 1")
        run_headers, run_body = modern("execute_cell", path=path, index=0)
        watch_headers, watch_body = modern("watch_notebook", path=path, timeout=3000)
        async with httpx.AsyncClient(headers=server.headers, timeout=60) as http:
            waiting = [
                asyncio.create_task(http.post(server.mcp, headers=run_headers, json=run_body)),
                asyncio.create_task(http.post(server.mcp, headers=watch_headers, json=watch_body)),
            ]
            async with server.client() as client:

                async def runs() -> bool:
                    return (await call(client, "get_cell", path=path, index=0)).get("state") == "running"

                await eventually(runs, wanted=True)
            began = time.monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            assert time.monotonic() - began < 60
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())
    cells = json.loads((server.folder / path).read_text())["cells"]
    assert "".join(cells[-1]["source"]) == "kept = 1"
    journals = list((server.home / "data" / "jupyter_mcp").rglob("*.journal"))
    assert journals == []
    ours = [line for line in server.log.splitlines() if "jupyter_mcp/" in line or "never retrieved" in line]
    assert ours == []


@pytest.mark.slow
def test_a_server_on_which_nothing_happened_stops(make_server: MakeServer) -> None:
    assert make_server(cold=True).stop() == 0


@pytest.mark.slow
def test_the_first_call_of_a_server_imports_nothing(make_server: MakeServer) -> None:
    server = make_server(cold=True)
    url, deadline = f"{server.url}serverside/modules", time.monotonic() + 60
    with httpx.Client(headers=server.headers) as http:
        while (before := http.get(url).json())["warming"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)

        async def run() -> None:
            async with server.client() as client:
                assert await call(client, "list_notebooks") == []

        asyncio.run(run())
        assert set(http.get(url).json()["modules"]) - set(before["modules"]) == set()
