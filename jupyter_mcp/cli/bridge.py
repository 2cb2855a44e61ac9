"""MCP over stdio, passed on to a server's streamable HTTP, message by message, in whatever revision the client speaks.

Nothing of a message is understood or changed. FastMCP's proxy would be a server of its own: it answers for ours what it
knows of, and takes seconds to start. A server that is started anew is found again, with its new token and port; a call
that was under way then is answered with an error that says so, since it may have been done.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any

from .errors import CliError
from .messages import (
    BRIDGE,
    CANCELLED,
    LISTEN,
    Message,
    answers,
    events,
    failure,
    is_request,
    key_of,
    line,
    may_repeat,
    routing,
    version_of,
)
from .posting import NotSentError, Posting
from .servers import Server

BACK_WITHIN = 45.0  # seconds for a server to be there again
LAST_CALLS = 60.0  # seconds for the calls that run when standard input ends
_BETWEEN = 0.5
_LONGEST_PAUSE = 30.0  # seconds between attempts to hear what the server sends by itself
_JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
_BROKEN = (OSError, HTTPException)
_INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_MAYBE_DONE = (
    "The Jupyter server went away while this call ran. It may have been done, in part or whole: look at the notebook "
    "before you repeat it."
)


@dataclass
class _Tries:
    """What was tried for a message that was refused."""

    token: bool = False
    session: bool = False


class Bridge:
    """The bridge of one client: `feed` takes its lines, `write` gets the server's."""

    def __init__(
        self, server: Server, find: Callable[[], Server], write: Callable[[bytes], None], say: Callable[[str], None]
    ) -> None:
        self._server = server
        self._find = find
        self._write = write
        self._say = say
        self._id = secrets.token_hex(16)
        self._session: str | None = None
        self._version: str | None = None
        self._initialize: Message | None = None
        self._calls: dict[str, tuple[Posting, Message]] = {}
        self._threads: set[threading.Thread] = set()
        self._listening: Posting | None = None
        self._finding = threading.Lock()
        self._stopped = threading.Event()

    def feed(self, raw: bytes) -> None:
        """Take a line of the client's."""
        if not raw.strip():
            return
        try:
            found: Any = json.loads(raw)
        except (ValueError, RecursionError):
            self._write(failure({}, "That line is not JSON.", -32700))
            return
        for message in found if isinstance(found, list) else [found]:
            if isinstance(message, dict):
                self._take(message, raw if message is found else json.dumps(message).encode())
            else:
                self._write(failure({}, "A message is a JSON object.", -32600))

    def close(self) -> None:
        """Let the calls that run come to their end, and the session too."""
        until = time.monotonic() + LAST_CALLS
        for posting, message in list(self._calls.values()):
            if message.get("method") == LISTEN:
                posting.end()
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        self._stopped.set()
        if self._listening is not None:
            self._listening.end()
        if self._session is not None:
            threading.Thread(target=self._leave, daemon=True).start()
            time.sleep(0.05)  # whether it arrives is of no matter: the server ends idle sessions

    def _leave(self) -> None:
        with contextlib.suppress(*_BROKEN):
            Posting(self._server).send("DELETE", self._headers({}))

    def _take(self, message: Message, raw: bytes) -> None:
        method = message.get("method")
        if method == "initialize":
            self._session = self._version = None
            self._initialize = message
            self._serve(message, raw)  # what follows needs its session
        elif method == _INITIALIZED["method"]:
            self._serve(message, raw)
            self._listen()
        elif method == CANCELLED:
            self._cancel(message, raw)
        else:
            self._start(self._serve, message, raw)

    def _start(self, work: Callable[..., None], *given: Any) -> None:
        def run() -> None:
            try:
                work(*given)
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, daemon=True)
        self._threads.add(thread)
        thread.start()

    def _headers(self, message: Message) -> dict[str, str]:
        if later := routing(message):
            return {**_JSON, **later, BRIDGE: self._id}
        headers = dict(_JSON)
        if self._session is not None:
            headers["Mcp-Session-Id"] = self._session
        if self._version is not None:
            headers["MCP-Protocol-Version"] = self._version
        return headers

    def _cancel(self, message: Message, raw: bytes) -> None:
        params = message.get("params")
        key = key_of(params.get("requestId") if isinstance(params, dict) else None)
        posting, call = self._calls.get(key, (None, {}))
        version = version_of(call)
        if posting is None or version is None:
            self._start(self._serve, message, raw)
            return
        # Over HTTP the later era has no such message; the server takes it from a bridge, so that the kernel is
        # interrupted as in the era before. Then the request's end is what HTTP knows for it.
        self._calls.pop(key, None)
        headers = {**_JSON, "MCP-Protocol-Version": version, "Mcp-Method": CANCELLED, BRIDGE: self._id}

        def both() -> None:
            with contextlib.suppress(*_BROKEN):
                Posting(self._server).send("POST", headers, raw).read()
            posting.end()

        self._start(both)

    def _serve(self, message: Message, raw: bytes) -> None:
        try:
            text = self._forward(message, raw)
        except Exception as error:  # noqa: BLE001 - boundary: one message must not end the bridge
            text = f"The bridge failed: {type(error).__name__}"
        if text is not None and is_request(message):
            self._write(failure(message, text))
        elif text is not None:
            self._say(f"{message.get('method', 'an answer')} was not passed on. {text}")

    def _forward(self, message: Message, raw: bytes) -> str | None:
        """Send a message and pass on what comes; returns what went wrong where no answer was passed on."""
        until = time.monotonic() + BACK_WITHIN
        key, tries = key_of(message.get("id")), _Tries()
        while True:
            server = self._server
            posting = Posting(server)
            if is_request(message):
                self._calls[key] = posting, message
            try:
                response = posting.send("POST", self._headers(message), raw)
                if not self._mended(response, message, server, tries):
                    return self._relay(response, message)
                continue
            except NotSentError:
                lost = "does not answer"
            except _BROKEN:
                if is_request(message) and key not in self._calls:
                    return None  # it was cancelled: nobody waits for an answer
                if not may_repeat(message):
                    return _MAYBE_DONE
                lost = "went away"
            finally:
                if self._calls.get(key, (None,))[0] is posting:
                    del self._calls[key]
            if not self._changed(server) and (time.monotonic() >= until or self._stopped.wait(_BETWEEN)):
                return f"The Jupyter server at {server.url} {lost}. Start it, then call again."

    def _mended(self, response: HTTPResponse, message: Message, server: Server, tries: _Tries) -> bool:
        """Return whether a refusal has a cause that is gone now, once for each: the message is sent again."""
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and not tries.token:
            tries.token = True
            return self._changed(server)
        in_session = self._session is not None and version_of(message) is None
        if response.status == HTTPStatus.NOT_FOUND and in_session and not tries.session:
            tries.session = True
            self._reopen()
            return True
        return False

    def _changed(self, known: Server) -> bool:
        """Look for the server; returns whether it is another one now, or has another token or port."""
        with self._finding:
            if self._server == known:
                with contextlib.suppress(CliError):
                    found = self._find()
                    if found != known:
                        self._say(f"goes on with {found.url}")
                        self._server = found
            return self._server != known

    def _reopen(self) -> None:
        """Open a session in the place of one that the server does not know."""
        message = self._initialize
        if message is None:
            return
        self._session = self._version = None
        posting = Posting(self._server)
        response = posting.send("POST", self._headers(message), json.dumps(message).encode())
        self._opened(response, next(_bodies(response), b"{}"))
        posting.end()
        initialized = json.dumps(_INITIALIZED).encode()
        Posting(self._server).send("POST", self._headers(_INITIALIZED), initialized).read()

    def _relay(self, response: HTTPResponse, message: Message) -> str | None:
        if response.status == HTTPStatus.ACCEPTED:
            return "The server took the request and does not answer it."
        if response.status >= HTTPStatus.BAD_REQUEST:
            body = response.read()
            if not answers(body, message):
                return f"The server answers {response.status}: {_said(body)}"
            self._write(line(body))
            return None
        for body in _bodies(response):
            last = is_request(message) and answers(body, message)
            if last and message["method"] == "initialize":
                self._opened(response, body)
            if last and key_of(message["id"]) not in self._calls:
                return None  # it was cancelled meanwhile
            self._write(line(body))
            if last:
                return None
        if is_request(message):
            raise OSError("the answer is not there")
        return None

    def _opened(self, response: HTTPResponse, body: bytes) -> None:
        self._session = response.headers.get("Mcp-Session-Id")
        result = json.loads(body).get("result")
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        self._version = version if isinstance(version, str) else None

    def _listen(self) -> None:
        """Pass on what the server sends by itself, in the era of sessions."""
        if self._session is not None and self._listening is None:
            threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        pause = _BETWEEN
        while not self._stopped.is_set():
            self._listening = Posting(self._server)
            with contextlib.suppress(*_BROKEN):
                response = self._listening.send("GET", {**self._headers({}), "Accept": "text/event-stream"})
                if response.status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.BAD_REQUEST):
                    return  # it sends nothing by itself
                if response.status == HTTPStatus.OK:
                    pause = _BETWEEN
                    for body in _bodies(response):
                        self._write(line(body))
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._stopped.wait(pause)


def _bodies(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the messages of a response."""
    if response.headers.get_content_type() == "text/event-stream":
        yield from events(response)
    elif body := response.read().strip():
        yield body


def _said(body: bytes) -> str:
    """Return what a server says of a failure, in a line."""
    try:
        found = json.loads(body)
        said = found.get("error", found.get("message", ""))
        said = said.get("message", "") if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = ""
    return " ".join(str(said).split())[:300] or "it does not say why"
