"""The endpoints by which people steer agents: Jupyter's login, XSRF check and Authorizer decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth import Authorizer

from jupyter_mcp.client_formats import CLIENTS, Http
from tests.support.bridge import TOKEN
from tests.support.served import Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

ENDPOINTS = (("GET", "state"), ("POST", "steer"), ("POST", "connections"))


class Only(Authorizer):
    """Allows some (action, resource)."""

    allowed: set[tuple[str, str]]

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002 - Jupyter's
        return (action, resource) in self.allowed


def only(*allowed: tuple[str, str]) -> dict[str, Any]:
    authorizer = Only()
    authorizer.allowed = set(allowed)
    return {"authorizer": authorizer}


def base(at: Served) -> str:
    return at.bridge.url.removesuffix("/mcp")


async def ask(at: Served, verb: str, name: str, body: Any = None, **headers: str) -> httpx.Response:
    async with at.bridge.client(**headers) as http:
        return await http.request(verb, f"{base(at)}/jupyter-mcp/{name}", json=body)


@pytest.mark.parametrize(("verb", "name"), ENDPOINTS)
def test_nobody_without_a_login_gets_anything(tmp_path: Path, verb: str, name: str) -> None:
    async def job(at: Served) -> None:
        async with httpx.AsyncClient() as http:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                reply = await http.request(verb, f"{base(at)}/jupyter-mcp/{name}", headers=headers, json={})
                assert reply.status_code == 403, reply.text
                assert TOKEN not in reply.text

    run(tmp_path, job)


def test_a_page_of_another_site_steers_nothing_with_a_persons_cookie(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.bridge.client() as http:
            logged_in = await http.get(f"{base(at)}/jupyter-mcp/state")
        cookies = dict(logged_in.cookies)
        assert cookies
        async with httpx.AsyncClient(cookies=cookies) as http:
            assert (await http.get(f"{base(at)}/jupyter-mcp/state")).status_code == 200
            for name in ("steer", "connections"):
                reply = await http.post(f"{base(at)}/jupyter-mcp/{name}", json={"action": "pause"})
                assert reply.status_code == 403, (name, reply.text)
        assert at.gate.steering.rules() == []

    run(tmp_path, job)


def test_the_authorizer_is_asked_for_what_is_done(tmp_path: Path) -> None:
    async def reader(at: Served) -> None:
        assert (await ask(at, "GET", "state")).status_code == 200
        reply = await ask(at, "POST", "steer", {"action": "pause"})
        assert (reply.status_code, reply.json()["message"]) == (403, "You may not write contents on this server.")
        about = {"url": "http://h/mcp"}
        assert (await ask(at, "POST", "connections", about)).status_code == 200
        assert (await ask(at, "POST", "connections", {**about, "show": True})).status_code == 403

    async def writer(at: Served) -> None:
        assert (await ask(at, "POST", "steer", {"action": "pause"})).status_code == 200
        reply = await ask(at, "POST", "steer", {"action": "stop"})
        assert (reply.status_code, reply.json()["message"]) == (403, "You may not execute kernels on this server.")
        assert (await ask(at, "GET", "state")).status_code == 403

    run(tmp_path, reader, settings=only(("read", "contents")))
    run(tmp_path, writer, settings=only(("write", "contents")))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "Send "),
        ([], "Send "),
        ({}, '"action" is one of resume, ask, propose, read-only, pause, stop'),
        ({"action": ["pause"]}, '"action" is one of'),
        ({"action": "pause", "until": "noon"}, "Send "),
        ({"action": "pause", "agent": 3}, '"agent" is a text'),
        ({"action": "pause", "notebook": ""}, '"notebook" is a text'),
        ({"action": "pause", "notebook": "../a.ipynb"}, "leaves the root"),
        ({"action": "pause", "notebook": "a.txt"}, "is no notebook"),
        ({"action": "pause", "agent": "nobody"}, "No agent 'nobody' called"),
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(tmp_path: Path, body: Any, told: str) -> None:
    async def job(at: Served) -> None:
        reply = await ask(at, "POST", "steer", body)
        assert reply.status_code == 400
        assert told in reply.json()["message"]
        assert at.gate.steering.rules() == []

    run(tmp_path, job)


def test_the_token_is_shown_on_demand_and_to_nobody_else(tmp_path: Path) -> None:
    url = "https://hub/user/ada/mcp"

    async def job(at: Served) -> None:
        assert (await ask(at, "GET", "connections")).status_code == 405
        hidden = await ask(at, "POST", "connections", {"url": url})
        assert hidden.headers["Cache-Control"] == "no-store"
        assert hidden.json()["token"] is True
        assert TOKEN not in hidden.text
        shown = (await ask(at, "POST", "connections", {"url": url, "show": True})).json()["connections"]
        texts = {way["label"]: way["text"] for way in shown}
        for text in texts.values():
            assert TOKEN in text
        assert [url in text for text in texts.values()] == [True] * (len(texts) - 1) + [False]  # the bare header
        command = "claude mcp add --transport http jupyter https://hub/user/ada/mcp --header"
        assert texts["Claude Code"].startswith(command)
        for client in CLIENTS.values():
            written = None if client.http is None else client.text(client.http(Http(url, TOKEN)))
            assert written is None or written.rstrip() in texts.values(), client.name
        assert TOKEN not in (await ask(at, "GET", "state")).text

    run(tmp_path, job)


@pytest.mark.parametrize(
    "body", [None, [], {}, {"url": 3}, {"url": "javascript:x"}, {"url": "http://x y"}, {"url": "http://" + "x" * 3000}]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, body: Any) -> None:
    async def job(at: Served) -> None:
        assert (await ask(at, "POST", "connections", body)).status_code == 400

    run(tmp_path, job)
