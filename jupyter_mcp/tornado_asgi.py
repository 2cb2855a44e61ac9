"""The bridge: Tornado requests in, ASGI events out, streamed, behind Jupyter's authentication."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from tornado import web
from tornado.iostream import StreamClosedError

from .probe import Part, works
from .transport.auth import SCOPE_KEY, Caller, authenticate, session_owner
from .transport.bodies import too_complex
from .transport.boundary import fault, passes
from .transport.endpoint import Endpoint, Message, Scope
from .transport.origins import allow_page, origin_allowed, preflight
from .transport.session_cap import needs_session

ASGI_PATH = "/mcp"
DISCONNECT_KEY = "jupyter_mcp.disconnected"
VERBS = ("GET", "POST", "DELETE")
_SMALL_BODY = 64 << 10  # bytes that are read of a request that is refused
_CHUNK_SLACK = 64 << 10  # bytes over the limit that a chunked body may send before it is cut off


@web.stream_request_body
class MCPHandler(JupyterHandler):
    """Serves `{base_url}mcp`. Every verb, known or not, is answered only to an authenticated user."""

    auth_resource = "mcp"
    endpoint: Endpoint

    def initialize(self, endpoint: Endpoint) -> None:
        """Take the endpoint; called by Tornado for each request."""
        self.endpoint = endpoint
        self._body: list[bytes] = []
        self._received = 0
        self._place = ""
        self._gone = asyncio.Event()

    async def prepare(self) -> None:  # type: ignore[override]
        """Let in who is authenticated, from an allowed page, with a body within the limit.

        A refusal waits for a small body. Tornado closes a connection whose body it has not read, and with bytes
        unread that is a reset: a proxy then answers 502 in place of what we said.
        """
        try:
            await self._admit()
        except web.HTTPError as error:
            if not self._body_is_small():
                raise
            self._refusal = error

    def _body_is_small(self) -> bool:
        length = self.request.headers.get("Content-Length") or "0"
        return "Transfer-Encoding" not in self.request.headers and length.isdecimal() and int(length) <= _SMALL_BODY

    async def _admit(self) -> None:
        if self.request.method == "OPTIONS" and preflight(self):
            self.set_status(204)
            self.finish()
            return
        if "Content-Length" not in self.request.headers:
            # Tornado reads on while we authenticate.
            connection: Any = self.request.connection
            connection.set_max_body_size(self.endpoint.max_body_bytes + _CHUNK_SLACK)
        self._caller = await authenticate(self, allow_unauthenticated=self.endpoint.allow_unauthenticated)
        if not origin_allowed(self.request.headers.get("Origin"), self.request.host, self.settings):
            raise web.HTTPError(403, "This origin is not allowed.")
        if self.request.method not in VERBS:
            raise web.HTTPError(405)
        if self._admit_body():
            self.endpoint.arrivals.begin(self._cut)

    async def prepare_jupyter(self) -> None:
        """Run Jupyter's own checks: the Host header, and who the user is.

        A caller without a valid token is refused by `authenticate`, with 401; the verbs' decorator keeps Jupyter from
        doing so before, with 403, where `ServerApp.allow_unauthenticated_access` is off.
        """
        if works(Part.LOGIN):
            await super().prepare(_redirect_to_login=False)
        else:
            await super().prepare()

    def _admit_body(self) -> bool:
        """Return whether a body is to come."""
        limit = self.endpoint.max_body_bytes
        try:
            length = int(self.request.headers.get("Content-Length") or 0)
        except ValueError as error:
            raise web.HTTPError(400, "Content-Length is no number.") from error
        if length > limit:
            raise web.HTTPError(413, f"The body is over {limit} bytes.")
        return length > 0 or "Transfer-Encoding" in self.request.headers

    def _cut(self) -> None:
        """Answer a request whose body does not come to its end; Tornado then closes the connection."""
        self._body.clear()
        self._refusal = web.HTTPError(408, "The body did not arrive in time; send it again.")
        if not self._ended:
            self.send_error(408, exc_info=(web.HTTPError, self._refusal, None))

    def _take_place(self) -> None:
        """Count this request among its kind; raises 503 if there are too many of it.

        What waits for a session's notifications, mostly idle, must not keep its own calls out.
        """
        place = "listening" if self.request.method == "GET" else "running"
        taken = getattr(self.endpoint, place)
        if taken >= self.endpoint.max_streams:
            raise web.HTTPError(503, "Too many open requests; try again.")
        setattr(self.endpoint, place, taken + 1)
        self._place = place

    def _release(self) -> None:
        place, self._place = self._place, ""
        if place:
            setattr(self.endpoint, place, getattr(self.endpoint, place) - 1)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, up to the limit."""
        self._received += len(chunk)
        if self._refusal is not None or self._received > self.endpoint.max_body_bytes:
            self._body.clear()
        else:
            self._body.append(chunk)

    def check_xsrf_cookie(self) -> None:
        """Check nothing: cookies are never read here, so there is nothing to forge."""

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Set none: a header token must not turn into a login cookie."""

    def set_signed_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Sign none: Jupyter would for each request with a token."""

    set_secure_cookie = set_signed_cookie

    def compute_etag(self) -> None:
        """Return none: replies of a protocol are not cacheable pages."""

    def on_connection_close(self) -> None:
        """Tell the application that its client left."""
        super().on_connection_close()
        self._gone.set()
        self._forget_body()

    def on_finish(self) -> None:
        """Free the place, also when a check refused the request."""
        super().on_finish()
        self._ended = True
        vars(self).pop("_caller", None)  # which has us: without the cycle both are freed now, by their counts
        self._forget_body()

    def _forget_body(self) -> None:
        # Tornado's objects refer to each other: what is kept here waits for the garbage collector.
        self._body.clear()
        self.endpoint.arrivals.end(self._cut)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with JSON that says what to do."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        detail = error.log_message if isinstance(error, web.HTTPError) else None
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        elif status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(VERBS))
        elif status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "1")
        allow_page(self)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": detail or HTTPStatus(status_code).phrase}))

    def _scope(self, caller: Caller) -> Scope:
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
            "client": (self.request.remote_ip or "", 0),
            "server": None,
            "user": session_owner(caller),
            SCOPE_KEY: caller,
            DISCONNECT_KEY: self._gone,
        }

    async def _receive(self) -> Message:
        if not self._delivered:
            self._delivered = True
            body = b"".join(self._body)
            self._body.clear()
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            return  # ASGI: sending after a disconnect is a no-op
        more = False
        if message["type"] == "http.response.start":
            self._start(message)
            # A stream's head goes out at once: its first event may be minutes away.
            more = not self._sized
        elif message["type"] == "http.response.body":
            if body := message.get("body", b""):
                self.write(body)
            more = message.get("more_body", False)
        if more:
            try:
                await self.flush()  # returns when the socket took it: backpressure
            except StreamClosedError:
                self._gone.set()

    def _start(self, message: Message) -> None:
        self.set_status(message["status"])
        self.clear_header("Content-Type")
        for raw_name, raw_value in message.get("headers", []):
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if name.lower() != "set-cookie":
                self.set_header(name, value)
            self._sized = self._sized or name.lower() == "content-length"
        allow_page(self)

    _refusal: web.HTTPError | None = None
    _delivered = False
    _sized = False  # the response says how long it is
    _ended = False  # the response has been sent, or its connection is gone

    async def _serve(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._received > self.endpoint.max_body_bytes:
            raise web.HTTPError(413, f"The body is over {self.endpoint.max_body_bytes} bytes.")
        self.endpoint.arrivals.end(self._cut)
        if too_complex(self._body):
            self._body.clear()
            raise web.HTTPError(413, "The body has too many values, or they are nested too deeply.")
        if not await self.endpoint.up():
            raise web.HTTPError(503, "MCP is being started anew; try again.")
        self._take_place()
        try:
            with self.endpoint.serving(session=needs_session(self._revision())):
                await self.endpoint.app(self._scope(self._caller), self._receive, self._send)
        except asyncio.CancelledError:
            if not self.endpoint.stopping and not self._gone.is_set():
                raise web.HTTPError(503, "The session ended by a fault in this server; open a new one.") from None
            self.endpoint.log.debug("An MCP request was ended by the server's stop")
        except BaseException as error:
            if isinstance(error, web.HTTPError) or passes(error):
                raise
            # Tornado answers no BaseException, and the client would wait for ever.
            self.endpoint.log.exception("An MCP request failed")
            raise web.HTTPError(500, fault("The request", error)) from None
        finally:
            self._release()
        if not self._gone.is_set() and not self._ended:
            await self.finish()

    def _revision(self) -> str | None:
        return self.request.headers.get(MCP_PROTOCOL_VERSION_HEADER)

    @allow_unauthenticated
    async def get(self) -> None:
        """Open a stateful session's stream of notifications."""
        await self._serve()

    @allow_unauthenticated
    async def post(self) -> None:
        """Carry one JSON-RPC message."""
        await self._serve()

    @allow_unauthenticated
    async def delete(self) -> None:
        """End a stateful session."""
        await self._serve()

    # Never served: what `prepare` found wrong with the request, at least its verb, is the answer.
    head = put = patch = options = _serve
