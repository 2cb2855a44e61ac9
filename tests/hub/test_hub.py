"""The image as JupyterHub runs it: a real Hub and proxy, two users, each with an endpoint of their own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from tests.images.conftest import REPOSITORY
from tests.images.work.container import native, unpacked
from tests.support.needs import find, needs

PROXY = find("configurable-http-proxy")

pytestmark = [
    pytest.mark.slow,
    needs("configurable-http-proxy"),
]

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/base/"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.should_start = True
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [{python!r}, "-m", "tests.hub.spawned", {what!r}]
c.Spawner.environment = {{"PYTHONPATH": {repository!r}}}
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "tokens"]}},
]
"""


@dataclass
class Hub:
    url: str
    token: str
    folder: Path

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        headers = {"Authorization": f"token {self.token}"}
        reply = httpx.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=120, **options)
        assert reply.status_code < 400, reply.text + self.log
        return reply

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def spawn(self, user: str) -> str:
        """Start the user's server; give a token of theirs."""
        self.ask("POST", f"/users/{user}")
        self.ask("POST", f"/users/{user}/server")
        for _ in range(300):
            if self.ask("GET", f"/users/{user}").json()["servers"].get("", {}).get("ready"):
                token: str = self.ask("POST", f"/users/{user}/tokens", json={"note": "agent"}).json()["token"]
                return token
            time.sleep(0.4)
        raise AssertionError(self.log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with unpacked(tmp_path / "layout", native()) as sandbox:
        volumes = tmp_path / "volumes"
        volumes.mkdir()
        what = tmp_path / "what.json"
        details = {
            "root": str(sandbox.root),
            "platform": sandbox.platform.oci,
            "config": sandbox.config,
            "bubblewrap": sandbox.bubblewrap,
        }
        what.write_text(json.dumps({**details, "volumes": str(volumes)}))
        port, token = free_port(), secrets.token_hex(16)
        text = CONFIG.format(
            port=port,
            hub=free_port(),
            api=free_port(),
            python=sys.executable,
            what=str(what),
            repository=str(REPOSITORY),
            token=token,
        )
        (tmp_path / "jupyterhub_config.py").write_text(text)
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with (tmp_path / "hub.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub"], cwd=tmp_path, env=env, stdout=log, stderr=log
            )
        made = Hub(f"http://127.0.0.1:{port}/base", token, tmp_path)
        try:
            for _ in range(300):
                assert process.poll() is None, made.log
                try:
                    if httpx.get(f"{made.url}/hub/api").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.3)
            yield made
        finally:
            process.terminate()
            process.wait(60)


def test_two_users_each_reach_their_own_notebooks_and_nobody_elses(hub: Hub) -> None:
    tokens = {user: hub.spawn(user) for user in ("alice", "bob")}

    async def create(user: str) -> str:
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        transport = StreamableHttpTransport(f"{hub.url}/user/{user}/mcp", headers=headers)
        async with Client(transport, timeout=120) as client:
            await client.call_tool("create_notebook", {"path": f"of-{user}.ipynb"})
            await client.call_tool("insert_cell", {"path": f"of-{user}.ipynb", "index": 0, "source": "6*7"})
            reply = await client.call_tool("execute_cell", {"path": f"of-{user}.ipynb", "index": 0})
            await client.call_tool("close_notebook_session", {"path": f"of-{user}.ipynb"})
            return str(reply.structured_content)

    for user in tokens:
        assert "42" in asyncio.run(create(user))
        assert (hub.folder / "volumes" / user / f"of-{user}.ipynb").is_file()
        assert not (hub.folder / "volumes" / user / ".jupyter" / "token").exists()
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    for owner, stranger in (("alice", "bob"), ("bob", "alice")):
        for credential in ({"Authorization": f"Bearer {tokens[stranger]}"}, {}):
            reply = httpx.post(f"{hub.url}/user/{owner}/mcp", json=ping, headers={**accept, **credential})
            assert reply.status_code in (401, 403), reply.text
