"""The bridge in a real Tornado server of this process, with Jupyter's own identity provider, over any ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx
from jupyter_server.auth import AllowAllAuthorizer
from jupyter_server.auth.identity import IdentityProvider
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from jupyter_mcp.tornado_asgi import MCPHandler
from jupyter_mcp.transport.endpoint import ASGIApp, Endpoint, Message, Receive, Scope, Send

TOKEN = "the-token-of-the-bridge"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP: each would otherwise read all the machine's certificates, for 50 ms."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body's length."""
    message = await receive()
    body = str(len(message["body"])).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def quiet() -> AsyncIterator[None]:
    yield


@dataclass
class Bridge:
    """The server's address, and the endpoint behind it."""

    endpoint: Endpoint
    port: int
    settings: dict[str, Any]
    logged: list[logging.LogRecord]
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def log(self) -> str:
        return "\n".join(record.getMessage() for record in self.logged)

    def client(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers={**AUTHORIZED, **headers}, timeout=20, verify=NO_TLS)

    async def raw(self, head: str, body: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request's head and what of its body is given; both ends stay open."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [head, f"Host: 127.0.0.1:{self.port}", *(f"{name}: {value}" for name, value in AUTHORIZED.items())]
        writer.write("\r\n".join([*lines[:2], *lines[2:], "", ""]).encode() + body)
        await writer.drain()
        return reader, writer


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so; the test's own time limit ends what never is."""
    while not true():  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def bridge(
    app: ASGIApp = echo,
    lifespan: Callable[[], AbstractAsyncContextManager[Any]] = quiet,
    *,
    settings: dict[str, Any] | None = None,
    handlers: Sequence[Any] = (),
    **options: Any,
) -> AsyncIterator[Bridge]:
    """Serve `app` at /mcp, and other handlers beside it, until the block ends."""
    logger = logging.Logger("bridge", logging.DEBUG)  # noqa: LOG001 - of this bridge alone
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = logged.append  # type: ignore[assignment,method-assign]
    logger.addHandler(handler)
    limits = {"max_body_bytes": 1 << 20, "max_streams": 8, "allow_unauthenticated": False}
    endpoint = Endpoint(app, lifespan, logger, **{**limits, **options})
    known = {
        "base_url": "/",
        "cookie_secret": b"secret",
        "identity_provider": IdentityProvider(token=TOKEN),
        "authorizer": AllowAllAuthorizer(),
        "log_function": lambda _: None,
        **(settings or {}),
    }
    server = HTTPServer(web.Application([(r"/mcp/?", MCPHandler, {"endpoint": endpoint}), *handlers], **known))
    socket, port = bind_unused_port()
    server.add_sockets([socket])
    try:
        await endpoint.start()
        yield Bridge(endpoint, port, known, logged)
    finally:
        await endpoint.stop()
        server.stop()
        await server.close_all_connections()


def message(name: str, **more: Any) -> Message:
    """Make an ASGI message."""
    return {"type": name, **more}
