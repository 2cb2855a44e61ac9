"""Nothing answers without a valid header credential, from a foreign page, or to a foreign host."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp.exceptions import ToolError
from jupyter_server.auth.security import passwd

from .conftest import MakeServer, Server
from .test_bridge import modern
from .test_tools import call, fresh

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
TAILS = ("", "/")
# Made once: a context with the system's certificates takes longer than a request.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CLOSED = {401, 403, 404, 405}


def send(server: Server, verb: str, query: str = "", tail: str = "", **headers: str) -> httpx.Response:
    body = PING if verb in ("POST", "PUT", "PATCH") else None
    return httpx.request(verb, server.mcp + tail + query, headers={**ACCEPT, **headers}, json=body, verify=NO_TLS)


def cookie_of(server: Server) -> str:
    login = httpx.get(f"{server.url}lab", headers=server.headers)
    cookie = "; ".join(f"{name}={value}" for name, value in login.cookies.items())
    assert cookie
    return cookie


@pytest.mark.parametrize("verb", VERBS)
def test_the_matrix_of_credentials_origins_and_hosts_is_closed(server: Server, verb: str) -> None:
    cookie = cookie_of(server)
    xsrf = dict(part.split("=", 1) for part in cookie.split("; ")).get("_xsrf", "")
    right = server.headers["Authorization"]
    wrong = "Bearer wrong"
    credentials: list[tuple[str, dict[str, str], str]] = [
        ("none", {}, ""),
        ("wrong token", {"Authorization": wrong}, ""),
        ("only a scheme", {"Authorization": "Bearer"}, ""),
        ("basic with the token", {"Authorization": f"Basic {base64.b64encode(server.token.encode()).decode()}"}, ""),
        ("cookie", {"Cookie": cookie}, ""),
        ("cookie and XSRF", {"Cookie": cookie, "X-XSRFToken": xsrf}, ""),
        ("cookie and wrong token", {"Cookie": cookie, "Authorization": wrong}, ""),
        ("query token", {}, f"?token={server.token}"),
        ("query and header token", {"Authorization": right}, f"?token={server.token}"),
    ]
    places: list[dict[str, str]] = [
        {},
        {"Origin": f"http://127.0.0.1:{server.port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": f"127.0.0.1.evil.example:{server.port}"},
    ]
    for (name, headers, query), place, tail in itertools.product(credentials, places, TAILS):
        reply = send(server, verb, query, tail, **headers, **place)
        assert reply.status_code in CLOSED, (name, place, tail)
        assert "set-cookie" not in reply.headers
    for place, tail in itertools.product(places[2:], TAILS):
        reply = send(server, verb, "", tail, Authorization=right, **place)
        assert reply.status_code in (CLOSED if verb == "BREW" else {403}), (place, tail)
    allowed = send(server, verb, "", "", Authorization=right, Origin=f"http://127.0.0.1:{server.port}")
    if verb in ("GET", "POST", "DELETE"):
        assert allowed.status_code not in {401, 403}
    else:
        assert allowed.status_code == 405


@pytest.mark.parametrize("verb", ["HEAD", "PUT", "PATCH", "OPTIONS"])
def test_unused_verbs_are_not_allowed(server: Server, verb: str) -> None:
    reply = send(server, verb, **server.headers)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET, POST, DELETE"


PATHS = (
    "../x.ipynb",
    "a/../../x.ipynb",
    "a/../x.ipynb",
    "/../x.ipynb",
    "%2e%2e/x.ipynb",
    "..%2fx.ipynb",
    "%252e%252e%252fx.ipynb/../../x.ipynb",
    "..\\x.ipynb",
    "x\\..\\y.ipynb",
    ".hidden.ipynb",
    "a/.b/x.ipynb",
    ".ipynb_checkpoints/x-checkpoint.ipynb",
    "%2ehidden.ipynb",
    "x.txt",
    "x.ipynb.txt",
    ".ipynb",
    "",
    "/",
    ".",
    "x\0.ipynb",
    "x\n.ipynb",
    "link.ipynb",
    "linked/x.ipynb",
    "C:\\x.ipynb",
    "~/x.ipynb",
    "file:///etc/x.ipynb",
)
TOOLS_WITH_PATHS: dict[str, dict[str, Any]] = {
    "get_notebook": {},
    "create_notebook": {},
    "get_cell": {"index": 0},
    "update_cell": {"index": 0, "source": "x"},
    "insert_cell": {"index": 0, "source": "x"},
    "delete_cell": {"index": 0},
    "execute_cell": {"index": 0},
    "open_notebook_session": {},
    "close_notebook_session": {},
    "watch_notebook": {"timeout": 0.1},
}


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink()}


def test_no_path_leaves_the_root_with_any_tool(server: Server) -> None:
    outside = server.home / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "x.ipynb").write_text("{}")
    for name, target in (("link.ipynb", outside / "x.ipynb"), ("linked", outside)):
        if not (server.folder / name).is_symlink():
            (server.folder / name).symlink_to(target)
    before = files_below(outside)

    async def run() -> None:
        async with server.client() as client:
            for tool, path in itertools.product(TOOLS_WITH_PATHS, PATHS):
                if tool == "create_notebook" and path in ("~/x.ipynb", "file:///etc/x.ipynb"):
                    continue  # odd names of folders below the root
                with pytest.raises(ToolError):
                    await call(client, tool, path=path, **TOOLS_WITH_PATHS[tool])

    asyncio.run(run())
    assert files_below(outside) == before
    assert list(server.folder.parent.glob("x.ipynb")) == []


def test_hidden_notebooks_open_only_where_the_server_allows_them(make_server: MakeServer) -> None:
    server = make_server(options=("--ContentsManager.allow_hidden=True",))

    async def run() -> None:
        async with server.client() as client:
            path = f".hidden-{fresh()}"
            await call(client, "create_notebook", path=path)
            assert (await call(client, "get_cell", path=path, index=0))["source"] == ""
            assert path not in {one["path"] for one in await call(client, "list_notebooks")}

    asyncio.run(run())


def test_a_body_over_the_limit_is_refused(server: Server) -> None:
    reply = httpx.post(server.mcp, headers=server.headers, content=b" " * (17 << 20))
    assert reply.status_code == 413


def test_the_token_is_in_no_log_error_or_reply(make_server: MakeServer) -> None:
    server = make_server(options=("--debug",))
    headers, body = modern("get_cell", path="missing.ipynb", index=0)
    texts = [
        send(server, "POST", **server.headers).text,
        send(server, "POST", **server.headers, Origin="http://evil.example").text,
        send(server, "POST", f"?token={server.token}").text,
        httpx.post(server.mcp, headers={**server.headers, **headers}, json=body).text,
        httpx.post(server.mcp, headers={**server.headers, **headers}, json={"jsonrpc": "2.0", "id": 1}).text,
    ]

    async def run() -> None:
        async with server.client(mode="legacy") as client:
            texts.append(str(await call(client, "get_active_users")))
            with pytest.raises(ToolError) as failure:
                await call(client, "get_cell", path="missing.ipynb", index=0)
            texts.append(str(failure.value))

    asyncio.run(run())
    assert not any(server.token in text for text in texts)
    log = server.log
    assert "/mcp" in log
    # Jupyter itself prints the URL to open at its start.
    lines = [line for line in log.splitlines() if server.token in line and "/lab?token=" not in line]
    assert lines == []


def test_without_authentication_the_endpoint_is_closed(make_server: MakeServer) -> None:
    server = make_server(options=("--IdentityProvider.token=",), token="")
    assert send(server, "POST").status_code == 403
    opted = make_server(options=("--IdentityProvider.token=", "--JupyterMCP.allow_unauthenticated=True"), token="")
    assert send(opted, "POST").status_code < 401
    assert send(opted, "POST", Origin="http://evil.example").status_code == 403
    assert "open to anyone" in opted.log


def test_behind_a_prefix_with_a_token_file(make_server: MakeServer, tmp_path: Path) -> None:
    """As a container is started: the token in a file that ends in a newline, behind a proxy that adds a prefix."""
    file = tmp_path / "token"
    file.write_text("from-the-file\n")
    server = make_server(
        base_url="/user/ada/",
        token="from-the-file",
        options=("--ServerApp.allow_remote_access=True",),
        environment={"JUPYTER_TOKEN_FILE": str(file), "JUPYTER_TOKEN": ""},
    )
    assert send(server, "POST", **server.headers).status_code < 401
    assert send(server, "POST", Authorization="Bearer wrong").status_code == 401
    outside = httpx.get(f"http://127.0.0.1:{server.port}/mcp", headers=server.headers)
    assert outside.status_code == 404
    # What nginx and its like send; the name that the world knows is not Jupyter's own.
    proxied = {"Host": "hub.example", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert send(server, "POST", **server.headers, **proxied).status_code < 401
    assert send(server, "POST", **server.headers, **proxied, Origin="https://hub.example").status_code < 401
    assert send(server, "POST", **server.headers, **proxied, Origin="https://evil.example").status_code == 403

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path="x.ipynb")
            assert await call(client, "list_notebooks") == [{"path": "x.ipynb", "name": "x.ipynb"}]

    asyncio.run(run())


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'agent:{password}'.encode()).decode()}"}


def test_a_server_with_a_password_takes_it_as_http_basic(make_server: MakeServer) -> None:
    hashed = passwd("open sesame")
    server = make_server(options=(f"--PasswordIdentityProvider.hashed_password={hashed}",), token="")
    assert send(server, "POST").status_code == 401
    for refused in (basic("wrong"), basic(""), basic(hashed), {"Authorization": "Bearer open sesame"}):
        assert send(server, "POST", **refused).status_code == 401

    async def run() -> None:
        async with server.client(basic("open sesame"), mode="legacy") as client:
            assert await call(client, "list_notebooks") == []

    asyncio.run(run())
    assert "open sesame" not in server.log


READING = ("list_notebooks", "get_notebook", "get_cell", "watch_notebook", "get_active_users", "get_active_sessions")
RIGHTS = {
    "": set(),
    "read:contents": set(READING),
    "read:contents,write:contents": {*READING, *TOOLS_WITH_PATHS} - {"execute_cell"},
    "read:contents,execute:kernels": set(READING),
    "read:contents,write:contents,execute:kernels": {*READING, *TOOLS_WITH_PATHS},
}


def test_reading_writing_and_executing_are_asked_for_separately(make_server: MakeServer) -> None:
    server = make_server(options=("--ServerApp.authorizer_class=serverside.ByPath",), environment={"ALLOWED": ""})
    (server.folder / "x.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    arguments: dict[str, dict[str, Any]] = {
        tool: {"path": "x.ipynb", **more} for tool, more in TOOLS_WITH_PATHS.items()
    }
    arguments |= {tool: {} for tool in READING if tool not in arguments}

    async def permitted(allowed: str) -> set[str]:
        found = set()
        async with httpx.AsyncClient(headers=server.headers) as http:
            body = {"allowed": allowed}
            (await http.post(f"{server.url}serverside/fire/allow", json=body)).raise_for_status()
        async with server.client() as client:
            for tool, given in arguments.items():
                try:
                    await call(client, tool, **given)
                except ToolError as error:
                    if "You may not" in str(error):
                        continue
                found.add(tool)
        return found

    for allowed, tools in RIGHTS.items():
        assert asyncio.run(permitted(allowed)) == tools, allowed


def test_a_session_belongs_to_who_opened_it(make_server: MakeServer) -> None:
    """A Hub's user may use another of her tokens; another user may not even learn that the session exists."""
    server = make_server(options=("--ServerApp.identity_provider_class=serverside.HubLike",), token="ada-1")
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
    }
    opened = httpx.post(server.mcp, headers={**ACCEPT, **server.headers}, json=start)
    session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}

    def ping(token: str, verb: str = "POST") -> int:
        return send(server, verb, **session, Authorization=f"Bearer {token}").status_code

    assert ping("bob-1") == ping("bob-1", "DELETE") == 404
    assert ping("bob-2") == 401
    assert ping("ada-2") == ping("ada-1") == 200
    assert ping("ada-2", "DELETE") == 200
    assert ping("ada-1") == 404

    async def names() -> list[str]:
        async with (
            server.client({"Authorization": "Bearer ada-1"}),
            server.client({"Authorization": "Bearer bob-1"}) as bob,
        ):
            async with server.client({"Authorization": "Bearer ada-2"}) as ada:
                await call(ada, "list_notebooks")
            return [user["name"] for user in await call(bob, "get_active_users")]

    assert {"Ada", "Bob"} <= set(re.findall(r"\((\w+)\)", " ".join(asyncio.run(names()))))


def test_spans_name_what_was_done_and_hold_no_token_or_source(make_server: MakeServer, tmp_path: Path) -> None:
    spans = tmp_path / "spans.jsonl"
    server = make_server(environment={"SPANS": str(spans)})
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="secret = 6 * 7; secret")
            await call(client, "execute_cell", path=path, index=0)

    asyncio.run(run())
    server.stop()
    written = spans.read_text()
    for name in ("jupyter_mcp.room.open", "jupyter_mcp.transaction", "jupyter_mcp.kernels.kernel.execute"):
        assert f'"{name}"' in written
    assert server.token not in written
    assert "secret" not in written
