"""The bridge: Tornado requests in, ASGI events out, streamed, behind Jupyter's authentication."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from logging import Logger
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError

from .auth import SCOPE_KEY, Caller, fingerprint, origin_allowed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

ASGI_PATH = "/mcp"
DISCONNECT_KEY = "jupyter_mcp.disconnected"
SESSION_HEADER = b"mcp-session-id"
VERBS = ("GET", "POST", "DELETE")


class Endpoint:
    """The ASGI application, its lifespan, and what the bridge must remember between requests."""

    def __init__(
        self,
        app: ASGIApp,
        lifespan: Callable[[], AbstractAsyncContextManager[Any]],
        log: Logger,
        *,
        max_body_bytes: int,
        max_streams: int,
        allow_unauthenticated: bool,
    ) -> None:
        self.app = app
        self.log = log
        self.max_body_bytes = max_body_bytes
        self.max_streams = max_streams
        self.allow_unauthenticated = allow_unauthenticated
        self.streams = 0
        self.owners: dict[str, str] = {}
        self._lifespan = lifespan
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Enter the lifespan; a failure of the application is raised here."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # anyio's task groups must be left by the task that entered them, hence one task.
        self._task = asyncio.create_task(self._live(started))
        await started

    async def _live(self, started: asyncio.Future[None]) -> None:
        try:
            async with self._lifespan():
                started.set_result(None)
                await self._stop.wait()
        except Exception as error:  # boundary: handed to start(), or logged when serving
            if started.done():
                self.log.error("The MCP application stopped with an error", exc_info=error)
            else:
                started.set_exception(error)

    async def stop(self) -> None:
        """Leave the lifespan; returns when the application has cleaned up."""
        self._stop.set()
        if self._task is not None:
            await self._task


@web.stream_request_body
class MCPHandler(JupyterHandler):
    """Serves `{base_url}mcp`. Every verb, known or not, is answered only to an authenticated user."""

    auth_resource = "mcp"
    endpoint: Endpoint

    def initialize(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._chunks: list[bytes] = []
        self._received = 0
        self._gone = asyncio.Event()

    async def prepare(self) -> None:  # type: ignore[override]
        self._credential = self.request.headers.get("Authorization", "")
        # A cookie or a token in the URL is sent by browsers and kept in logs: neither counts.
        if "Cookie" in self.request.headers:
            del self.request.headers["Cookie"]
        if "token" in self.request.query_arguments:
            raise web.HTTPError(401, "Send the token in the Authorization header, not in the URL.")
        if not self.identity_provider.auth_enabled:
            if not self.endpoint.allow_unauthenticated:
                raise web.HTTPError(
                    403,
                    "This server has no authentication; set a token, or opt in with JupyterMCP.allow_unauthenticated.",
                )
        elif not self._credential:
            raise web.HTTPError(401, "Send 'Authorization: Bearer TOKEN'.")
        await super().prepare(_redirect_to_login=False)
        if self.current_user is None:
            raise web.HTTPError(401, "The token is not valid.")
        if not origin_allowed(self.request.headers.get("Origin"), self.request.host, self.settings):
            raise web.HTTPError(403, "This origin is not allowed.")
        if self.request.method not in VERBS:
            raise web.HTTPError(405)
        limit = self.endpoint.max_body_bytes
        try:
            length = int(self.request.headers.get("Content-Length") or 0)
        except ValueError as error:
            raise web.HTTPError(400, "Content-Length is no number.") from error
        if length > limit:
            raise web.HTTPError(413, f"The body is over {limit} bytes.")
        if self.endpoint.streams >= self.endpoint.max_streams:
            raise web.HTTPError(503, "Too many open requests; try again.")

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self.endpoint.max_body_bytes:
            raise web.HTTPError(413, f"The body is over {self.endpoint.max_body_bytes} bytes.")
        self._chunks.append(chunk)

    def check_xsrf_cookie(self) -> None:
        """Cookies are never read here, so there is nothing to forge."""

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """A header token must not turn into a login cookie."""

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._gone.set()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        detail = error.log_message if isinstance(error, web.HTTPError) else None
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        elif status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(VERBS))
        elif status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "1")
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": detail or HTTPStatus(status_code).phrase}))

    def _caller(self) -> Caller:
        user = self.current_user
        name = getattr(user, "display_name", None) or getattr(user, "username", "") or "agent"
        # Without its scheme: "token X" and "Bearer X" are one credential. The user's name is no
        # key: a token user gets a new one with each request.
        return Caller(fingerprint(self._credential.split(" ")[-1]), str(name), self)

    def _scope(self, caller: Caller) -> dict[str, Any]:
        address = self.request.remote_ip or ""
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self.request.headers.get_all()
            if name.lower() != "authorization"  # no tool, log or span ever sees the token
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.request.method,
            "scheme": self.request.protocol,
            "path": ASGI_PATH,
            "raw_path": ASGI_PATH.encode(),
            "root_path": "",
            "query_string": self.request.query.encode("latin-1"),
            "headers": headers,
            "client": (address, 0),
            "server": None,
            SCOPE_KEY: caller,
            DISCONNECT_KEY: self._gone,
        }

    async def _serve(self) -> None:
        caller = self._caller()
        session = self.request.headers.get(SESSION_HEADER.decode())
        owners = self.endpoint.owners
        if session is not None and owners.get(session, caller.key) != caller.key:
            raise web.HTTPError(404, "No such session.")  # not even that it exists
        delivered = False

        async def receive() -> Message:
            nonlocal delivered
            if not delivered:
                delivered = True
                return {"type": "http.request", "body": b"".join(self._chunks), "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if self._gone.is_set():
                return  # ASGI: sending after a disconnect is a no-op
            if message["type"] == "http.response.start":
                self.set_status(message["status"])
                self.clear_header("Content-Type")
                for name, value in message.get("headers", []):
                    if name.lower() == SESSION_HEADER:
                        owners[value.decode("latin-1")] = caller.key
                    if name.lower() != b"set-cookie":
                        self.set_header(name.decode("latin-1"), value.decode("latin-1"))
            elif message["type"] == "http.response.body":
                if body := message.get("body", b""):
                    self.write(body)
                if message.get("more_body", False):
                    try:
                        await self.flush()  # returns when the socket took it: backpressure
                    except StreamClosedError:
                        self._gone.set()

        self.endpoint.streams += 1
        try:
            await self.endpoint.app(self._scope(caller), receive, send)
        finally:
            self.endpoint.streams -= 1
            if self.request.method == "DELETE" and session is not None:
                owners.pop(session, None)
        if not self._gone.is_set() and not self._finished:
            await self.finish()

    async def get(self) -> None:
        await self._serve()

    async def post(self) -> None:
        await self._serve()

    async def delete(self) -> None:
        await self._serve()

    def compute_etag(self) -> None:
        """Give none: replies of a protocol are not cacheable pages."""
