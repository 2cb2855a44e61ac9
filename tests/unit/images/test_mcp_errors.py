"""What is told of an MCP server that does not answer a question."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from images.cli.main import main


class Handler(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "token", "told"),
    [
        (401, "", "the server wants a token: --token-file FILE"),
        (403, "", "the server wants a token: --token-file FILE"),
        (403, "wrong", "the server refuses this token"),
        (404, "right", "no MCP at this path"),
        (302, "", "wants a login"),
    ],
)
def test_a_refused_question_is_told_with_what_to_do(
    server: ThreadingHTTPServer,
    status: int,
    token: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Handler, "status", status)
    (tmp_path / "token").write_text(token)
    options = ["--token-file", str(tmp_path / "token")] if token else []
    assert main(["mcp", "ping", f"http://127.0.0.1:{server.server_port}/mcp", *options]) == 69
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_where_nothing_answers_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "ping", "http://127.0.0.1:9/mcp"]) == 69
    assert "nothing answers there" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["localhost:8888/mcp", "ftp://localhost/mcp", "http://[::1", ""])
def test_what_is_no_address_is_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "ping", url]) == 69
    assert "this is no address" in capsys.readouterr().err
