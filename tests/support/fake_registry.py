"""A registry that answers whatever a test wants, on this machine alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What is answered to a request."""

    content: bytes = b""
    type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    endless: bool = False
    """Whether the content comes again and again."""
    silent: bool = False
    """Whether nothing more is said after it, though more was promised, until the registry is ended."""


@dataclass
class FakeRegistry:
    """Answers by path; what is not there is a 404, and below ``/v2/`` itself a 200."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a silent answer has begun."""

    @property
    def name(self) -> str:
        """Its host name and port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """Start one, and end it."""
    registry = FakeRegistry({"/v2/": Answer(b"{}")})
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            registry.asked.append((self.command, self.path))
            answer = registry.answers.get(self.path.partition("?")[0], Answer(b"{}", status=404))
            with suppress(OSError):
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.type)
                if not answer.endless:
                    self.send_header("Content-Length", str(len(answer.content) + answer.silent))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content)
                while answer.endless:
                    self.wfile.write(answer.content)
                if answer.silent:
                    registry.reached.set()
                    ended.wait()
                    self.close_connection = True

        do_POST = do_HEAD = do_PUT = do_PATCH = do_GET  # noqa: N815 - http.server's names

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the TLS that is tried first

    server = Server(("127.0.0.1", 0), Handler)
    registry.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield registry
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
