"""Nothing answers without a valid header token, from a foreign page, or to a foreign host."""

from __future__ import annotations

import httpx
import pytest

from .conftest import MakeServer, Server

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")


def send(server: Server, verb: str, query: str = "", **headers: str) -> httpx.Response:
    body = PING if verb in ("POST", "PUT", "PATCH") else None
    return httpx.request(verb, server.mcp + query, headers={**ACCEPT, **headers}, json=body)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_closed_without_a_header_token(server: Server, verb: str) -> None:
    login = httpx.get(f"{server.url}lab", headers=server.headers)
    cookie = "; ".join(f"{name}={value}" for name, value in login.cookies.items())
    assert cookie
    closed = {401, 403} if verb != "BREW" else {405}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": cookie}):
        assert send(server, verb, **headers).status_code in closed
    assert send(server, verb, f"?token={server.token}").status_code in closed


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
def test_a_foreign_origin_or_host_is_refused_in_spite_of_a_token(server: Server, verb: str) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        reply = send(server, verb, **server.headers, **headers)
        assert reply.status_code == 403, headers


@pytest.mark.parametrize("verb", ["HEAD", "PUT", "PATCH", "OPTIONS"])
def test_unused_verbs_are_not_allowed(server: Server, verb: str) -> None:
    reply = send(server, verb, **server.headers)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET, POST, DELETE"


def test_a_body_over_the_limit_is_refused_and_no_cookie_is_set(server: Server) -> None:
    reply = httpx.post(server.mcp, headers=server.headers, content=b" " * (17 << 20))
    assert reply.status_code == 413
    assert "set-cookie" not in send(server, "POST", **server.headers).headers


def test_the_token_is_in_no_log(server: Server) -> None:
    send(server, "POST", **server.headers)
    lines = [line for line in server.log.splitlines() if "/mcp" in line and "token=" not in line]
    assert lines
    assert not any(server.token in line for line in lines)


def test_without_authentication_the_endpoint_is_closed(make_server: MakeServer) -> None:
    server = make_server(options=("--IdentityProvider.token=",), token="")
    assert send(server, "POST").status_code == 403
    opted = make_server(options=("--IdentityProvider.token=", "--JupyterMCP.allow_unauthenticated=True"), token="")
    assert send(opted, "POST").status_code < 401
    assert "open to anyone" in opted.log


def test_the_endpoint_is_below_the_base_url(make_server: MakeServer) -> None:
    server = make_server(base_url="/user/ada/")
    assert send(server, "POST", **server.headers).status_code < 401
    outside = httpx.get(f"http://127.0.0.1:{server.port}/mcp", headers=server.headers)
    assert outside.status_code == 404
