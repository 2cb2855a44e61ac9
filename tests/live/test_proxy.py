"""Behind Debian's nginx with the configuration of docs/how-to/reverse-proxy.md, with TLS and without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from tests.support.needs import find, needs

from .conftest import SOURCE, Server
from .person import in_room
from .test_execution import run_cell, text_of
from .test_outside import eventually
from .test_tools import call, fresh

NGINX = find("nginx")
NAME = "jupyter.example.org"
HOW_TO = SOURCE / "docs" / "how-to" / "reverse-proxy.md"
OPTIONS = (
    f"--ServerApp.local_hostnames={NAME}",
    "--ServerApp.trust_xheaders=True",
    "--JupyterMCP.call_timeout=300",  # a call is to be silent for longer than nginx waits
)

pytestmark = needs("nginx", "openssl")


class Proxied(Server):
    """The same server, by the name and port of its proxy."""

    scheme = "http"
    proxy_port = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{NAME}:{self.proxy_port}{self.base_url}"


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the how-to has no {old!r}"
    return text.replace(old, new)


def configuration(folder: Path, port: int, upstream: int, *, tls: bool) -> str:
    """Return the how-to's configuration with this test's ports and certificate."""
    found = re.search(r"```nginx\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    assert found is not None
    text = replaced(found[1], "127.0.0.1:8888", f"127.0.0.1:{upstream}")
    if tls:
        text = replaced(text, "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        text = replaced(text, "/etc/ssl/certs/jupyter.pem", f"{folder}/cert.pem")
        text = replaced(text, "/etc/ssl/private/jupyter.key", f"{folder}/key.pem")
    else:
        text = replaced(text, "listen 443 ssl;", f"listen 127.0.0.1:{port};")
        text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.MULTILINE)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Root's workers would be nobody, who may not write into a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{paths}{text}}}\n"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def nginx(folder: Path, text: str, port: int) -> Iterator[None]:
    (folder / "nginx.conf").write_text(text)
    with subprocess.Popen([str(NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", "nginx.conf"]) as process:
        try:
            for _ in range(100):
                assert process.poll() is None, (folder / "error.log").read_text()
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server behind every proxy of these tests."""
    folders = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")
    running = Server(*folders, base_url="/jupyter/", options=OPTIONS).start()
    yield running
    running.stop()


@pytest.fixture(params=["http", "https"])
def proxied(
    request: pytest.FixtureRequest, behind: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxied]:
    server = Proxied(behind.folder, behind.home, behind.base_url, token=behind.token)
    server.scheme, server.proxy_port = request.param, free_port()
    if request.param == "https":
        certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/cert.pem")
    known: Callable[..., Any] = socket.getaddrinfo
    # As a line in /etc/hosts would.
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **options: known(local(host), *rest, **options))
    text = configuration(tmp_path, server.proxy_port, behind.port, tls=request.param == "https")
    with nginx(tmp_path, text, server.proxy_port):
        yield server


def local(host: Any) -> Any:
    return "127.0.0.1" if host in (NAME, NAME.encode()) else host


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_progress_comes_through_while_the_cell_runs(proxied: Proxied, era: str, tmp_path: Path) -> None:
    """The cell ends only when its progress has arrived: a proxy that held the stream back would wait for ever."""
    path, flag = fresh(), tmp_path / "progress"
    source = f"import os, time\nprint('on', flush=True)\nwhile not os.path.exists({str(flag)!r}): time.sleep(.1)"

    async def run() -> None:
        async with proxied.client(mode=era) as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source=source)
            tab = YNotebook()

            async def report(*_: Any) -> None:
                flag.touch()

            async with in_room(proxied, path, tab):
                arguments = {"path": path, "index": 0}
                running = client.call_tool("execute_cell", arguments, progress_handler=report)
                assert text_of((await running).structured_content["result"]) == "on\n"

                async def seen() -> str:
                    return "".join(str(one["text"]) for one in tab.ycells[0]["outputs"])

                await eventually(seen, "on\n")
                person = tab.create_ycell({"cell_type": "code", "source": "person", "metadata": {}, "outputs": []})
                tab.ycells.append(person)

                async def sources() -> list[str]:
                    return [cell["source"] for cell in (await call(client, "get_notebook", path=path))["cells"]]

                await eventually(sources, [source, "person"])

    asyncio.run(run())


def test_a_watcher_is_told_at_once_and_large_bodies_pass(proxied: Proxied) -> None:
    path, large = fresh(), "#" * (3 << 20)

    async def run() -> None:
        async with proxied.client() as client, proxied.client(mode="legacy") as other:
            await call(client, "create_notebook", path=path)
            watching = asyncio.create_task(call(other, "watch_notebook", path=path, timeout=3600))
            await asyncio.sleep(1)
            await call(client, "insert_cell", path=path, index=0, source=large)
            assert await watching == {"changed": True, "cell_count": 2}
            assert (await call(client, "get_cell", path=path, index=0))["source"] == large
            with pytest.raises(ToolError, match="No notebook at"):
                await call(client, "get_cell", path="missing.ipynb", index=0)

    asyncio.run(run())


def test_origin_and_host_are_checked_by_the_proxys_name(proxied: Proxied) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    own = f"{proxied.scheme}://{NAME}:{proxied.proxy_port}"
    # httpx takes SSL_CERT_FILE into account for itself; said here for what is sent to another name.
    context = ssl.create_default_context() if proxied.scheme == "https" else True
    with httpx.Client(verify=context) as http:

        def answer(**headers: str) -> int:
            return http.post(proxied.mcp, json=body, headers={**accept, **headers}).status_code

        assert answer() == 401
        assert answer(**proxied.headers, Origin="http://evil.example") == 403
        assert answer(**proxied.headers, Host="evil.example") == 403
        for headers in (proxied.headers, {**proxied.headers, "Origin": own}):
            assert answer(**headers) not in (401, 403)
        assert http.get(f"{own}/mcp", headers=proxied.headers).status_code == 404


@pytest.mark.slow
def test_a_cell_may_be_silent_for_longer_than_nginx_waits_by_itself(proxied: Proxied) -> None:
    path = fresh()

    async def run() -> None:
        async with proxied.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="import time; time.sleep(70); print('end')")
            assert text_of(await run_cell(client, path, 0)) == "end\n"

    asyncio.run(run())
