"""What clients are told; that they take it, tests/hosts shows with the real ones."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from images.check import discover
from images.check.discover import McpServer
from jupyter_mcp.client_formats import CLIENTS, TRANSPORT_KEYS, Http, Program

SERVER = McpServer(name="jupyter", url="http://h:8888/mcp", transport="http")


@pytest.mark.parametrize(("client", "consumer"), [("claude-code", "claude"), ("vscode", "vscode")])
def test_images_tell_clients_the_same(client: str, consumer: str) -> None:
    told = discover.CLIENTS[consumer]([SERVER], "T")
    ours: Any = CLIENTS[client]
    assert json.loads(ours.text(ours.http(Http(SERVER.url, "T")))) == told


@pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))
def test_a_client_is_told_the_token_where_it_is_given_and_a_variable_where_it_is_not(client: Any) -> None:
    if client.http is None:
        return
    given = client.text(client.http(Http("http://h/mcp", 'T"\\')))
    assert 'Bearer T\\"\\\\' in given
    if (variable := client.token()) is not None:
        assert "JUPYTER_TOKEN" in client.text(client.http(Http("http://h/mcp", variable)))
    assert "Bearer" not in client.text(client.http(Http("http://h/mcp", None)))


@pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))
def test_all_words_of_an_entry_are_known_as_such(client: Any) -> None:
    words = set(client.program(Program("c", ["a"], {"E": "1"})))
    if client.http is not None:
        words |= set(client.http(Http("u", "T"))) | set(client.http(Http("u", client.token())))
    assert words - {"enabled"} <= TRANSPORT_KEYS


def test_any_text_is_good_toml() -> None:
    odd = 'a"b\\c\n\t\x00\x7fé😀'
    codex = CLIENTS["codex"]
    entry = codex.program(Program(odd, [odd], {odd: odd}))
    assert tomllib.loads(codex.text(entry))["mcp_servers"]["jupyter"] == {
        "command": odd,
        "args": [odd],
        "env": {odd: odd},
    }
