"""Servers are found by their files, whatever else lies in the folder, and a token is told only to who asks."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import FastMCP

from jupyter_mcp.cli import servers
from jupyter_mcp.cli.errors import NoServerError, UsageError
from jupyter_mcp.tornado_asgi import ASGI_PATH
from tests.support.bridge import TOKEN, Bridge, bridge
from tests.support.runtime import HANDLERS, run, runtime_file


@asynccontextmanager
async def jupyter() -> AsyncIterator[Bridge]:
    """Serve an MCP server that knows nothing, as Jupyter does."""
    app = FastMCP("empty").http_app(path=ASGI_PATH)
    async with bridge(app, lambda: app.lifespan(app), handlers=HANDLERS) as at:
        yield at


def inside(job: Any) -> None:
    async def whole() -> None:
        async with jupyter() as at:
            await asyncio.to_thread(job, at)

    asyncio.run(whole())


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    for name in ("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_list_shows_the_servers_that_live_and_no_token_unless_asked(runtime: Path, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def job(at: Bridge) -> None:
        runtime_file(runtime, at.port, tmp_path)
        runtime_file(runtime, at.port + 1, tmp_path, pid=ended.pid)
        runtime_file(runtime, 1, tmp_path)  # lives, but nobody answers
        plain, asked = run(runtime, "list"), run(runtime, "list", "--show-token")
        assert (plain.returncode, plain.stdout.count("\n")) == (0, 1)
        assert plain.stdout.startswith(f"http://127.0.0.1:{at.port}/  {tmp_path}  MCP answers")
        assert TOKEN not in plain.stdout + plain.stderr
        assert TOKEN in asked.stdout
        (told,) = json.loads(run(runtime, "list", "--json").stdout)
        assert (told["mcp"], told["root"], "token" in told) == (True, str(tmp_path), False)

    inside(job)


def test_list_says_why_mcp_does_not_answer(runtime: Path, tmp_path: Path) -> None:
    def job(at: Bridge) -> None:
        runtime_file(runtime, at.port, tmp_path, token="wrong")
        assert "wants another credential (401)" in run(runtime, "list").stdout

    inside(job)


def test_list_of_nothing_is_no_fault(runtime: Path) -> None:
    done = run(runtime, "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "jupyter lab" in done.stderr
    assert json.loads(run(runtime, "list", "--json").stdout) == []


def test_what_lies_in_the_runtime_folder_is_taken_as_hostile(runtime: Path, tmp_path: Path) -> None:
    for number, text in enumerate(
        (
            "",
            "[]",
            "null",
            "{}",
            '{"url": 1, "pid": 1}',
            '{"url": "file:///etc/passwd", "pid": 1}',
            '{"url": "http://[", "pid": 1}',
            '{"url": "http://x:99999/", "pid": 1}',
            '{"url": "http://x/", "pid": true}',
            '{"url": "http://x/", "pid": -1}',
            '{"url": "http://x/", "pid": 99999999999999999999}',
            '{"url": "http://x\\u001b[2J/", "pid": 1}',
            "[" * 100_000,
            " " * (2 << 20),
        )
    ):
        (runtime / f"jpserver-{number}.json").write_text(text)
    (runtime / "jpserver-bytes.json").write_bytes(b"\xff\xfe")
    (runtime / "jpserver-folder.json").mkdir()
    os.mkfifo(runtime / "jpserver-pipe.json")
    (runtime / "jpserver-gone.json").symlink_to(tmp_path / "gone")
    assert servers._listed() == []
    odd = runtime_file(runtime, 1, tmp_path, root_dir="a\x1b[2Jb")
    assert [server.root for server in servers._listed()] == [""]
    odd.unlink()


def test_the_server_with_the_deepest_root_is_taken_of_those_with_mcp(runtime: Path, tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()

    def job(at: Bridge) -> None:
        runtime_file(runtime, at.port, tmp_path)
        assert servers.for_folder(str(deep)).root == str(tmp_path)
        other = runtime_file(runtime, at.port, deep, pid=os.getppid(), token="wrong")
        assert servers.for_folder(str(deep)).root == str(tmp_path)
        other.unlink()
        runtime_file(runtime, at.port, deep, pid=os.getppid())
        assert servers.for_folder(str(deep)).root == str(deep)
        with pytest.raises(NoServerError, match=f"There run: .*{at.port}"):
            servers.for_folder("/")

    inside(job)


def test_a_root_is_found_through_links_and_never_by_the_begin_of_its_name(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work-2").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "work")

    def job(at: Bridge) -> None:
        runtime_file(runtime, at.port, tmp_path / "link")
        assert servers.for_folder(str(tmp_path / "work"))
        assert servers.for_folder(str(tmp_path / "link"))
        with pytest.raises(NoServerError):
            servers.for_folder(str(tmp_path / "work-2"))

    inside(job)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:7/",
        "127.0.0.1:7",
        "http://127.0.0.1:7/mcp",
        "http://localhost:7/lab?token=x",
        "http://[::1]:7",
    ],
)
def test_an_address_is_taken_as_people_have_it(address: str, runtime: Path, tmp_path: Path) -> None:
    runtime_file(runtime, 7, tmp_path)
    found = servers.for_url(address)
    assert found.root == str(tmp_path)
    assert found.token == ("x" if "token" in address else TOKEN)


def test_another_machines_token_comes_from_the_environment(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_file(runtime, 7, tmp_path)
    assert servers.for_url("http://other:7/").token == ""
    (tmp_path / "token").write_text("of the file\n")
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", str(tmp_path / "token"))
    assert servers.for_url("https://other/user/ada/").token == "of the file"
    monkeypatch.setenv("JUPYTER_TOKEN", "of the variable")
    server = servers.for_url("http://ada:secret@other:7/lab")
    assert (server.token, server.url, server.mcp) == ("of the variable", "http://other:7/", "http://other:7/mcp")
    assert "of the variable" not in repr(server)


@pytest.mark.parametrize("address", ["", "ftp://x/", "http://", "http://x:port/", "http://x/\x1b[2J"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="--server takes"):
        servers.for_url(address)


def test_a_server_that_listens_everywhere_is_asked_on_this_machine(runtime: Path, tmp_path: Path) -> None:
    everywhere = "0.0.0.0"  # noqa: S104 - as people set it
    runtime_file(runtime, 7, tmp_path, url="http://a-name-that-leads-nowhere:7/base/", hostname=everywhere)
    runtime_file(runtime, 8, tmp_path, url="https://name:8/", hostname=everywhere)
    assert {server.url for server in servers._listed()} == {"http://127.0.0.1:7/base/", "https://name:8/"}


def test_a_hubs_token_goes_to_its_own_server_alone(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "of the hub")
    runtime_file(runtime, 7, tmp_path, url="http://127.0.0.1:7/user/ada/", token="")
    runtime_file(runtime, 8, tmp_path, token="")
    assert {server.url: server.token for server in servers._listed()} == {
        "http://127.0.0.1:7/user/ada/": "of the hub",
        "http://127.0.0.1:8/": "",
    }


def test_a_certificate_that_is_not_trusted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed"))

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refuse)
    found = servers.look(servers.Server("https://h/"))
    assert found is not None
    assert "SSL_CERT_FILE" in found.note
