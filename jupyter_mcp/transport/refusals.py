"""Messages that are no JSON-RPC are refused in a sentence, not passed over in silence.

The SDK (mcp 2.3) takes a request whose id is null or a fraction for a notification, and answers 202: its client waits
for ever. Of a batch it tells how each of its own classes failed to be it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from mcp.types import INVALID_REQUEST
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOKED_AT = (HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST)
_MOST_BYTES = 1 << 20


class PlainRefusals:
    """An ASGI application before another that answers POSTs: looks at the bodies of those that it refused or accepted.

    Requests that are answered as such cost nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body: list[bytes] = []
        refused = False

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(message.get("body", b"")) <= _MOST_BYTES:
                body.append(message.get("body", b""))  # a large one is not kept as long as its call takes
            return message

        async def instead(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _LOOKED_AT:
                wrong = what_is_wrong(b"".join(body))
                if wrong is not None:
                    refused = True
                    error = {"code": INVALID_REQUEST, "message": wrong}
                    answer = {"jsonrpc": "2.0", "id": None, "error": error}
                    await JSONResponse(answer, HTTPStatus.BAD_REQUEST)(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, noting, instead)


def what_is_wrong(body: bytes) -> str | None:
    """Return why a body is no JSON-RPC message; None if it is one, or no JSON."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(message, list):
        return "Send one JSON-RPC message a request: batches are not served (MCP has none since 2025-06-18)."
    if not isinstance(message, dict):
        return "The body is no JSON-RPC message, which is an object."
    if message.get("jsonrpc") != "2.0":
        return 'A JSON-RPC message has "jsonrpc": "2.0".'
    if "method" not in message:
        return None if "result" in message or "error" in message else 'A JSON-RPC message has a "method".'
    return _wrong_request(message)


def _wrong_request(message: dict[str, Any]) -> str | None:
    if not isinstance(message["method"], str):
        return 'The "method" of a JSON-RPC message is a text.'
    if not isinstance(message.get("params", {}), dict | None):
        return 'The "params" of an MCP message are an object.'
    if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], int | str)):
        return 'The "id" of a request is a text or a whole number, not null; nothing was done.'
    return None
