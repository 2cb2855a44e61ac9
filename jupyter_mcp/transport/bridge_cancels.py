"""A cancel that a client sends over stdio reaches the run, also in the era whose HTTP has no word for it.

In 2026-07-28 a client over HTTP cancels by closing its connection, which one does that was killed as well; so nothing
is interrupted by that. Over stdio it says `notifications/cancelled`. The bridge (`jupyter mcp stdio`) sends that on,
with the name that it gave itself: the ids of its requests are its own, and those of other bridges are others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from mcp.shared.inbound import MCP_METHOD_HEADER
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .session_cap import name_of

BRIDGE = "jupyter-mcp-bridge"
CANCELLED = "notifications/cancelled"


def bridge_of(scope: Scope) -> str | None:
    """Return a name for the bridge that sent a request, which nobody else's can have; None without one."""
    bridge = Headers(scope=scope).get(BRIDGE)
    return None if bridge is None else f"bridge {name_of(scope.get('user'))} {bridge}"


class BridgeCancels:
    """An ASGI application before the others: gives the cancels of bridges to `cancelled(bridge, params)`."""

    def __init__(self, app: ASGIApp, cancelled: Callable[[str, Any], None]) -> None:
        self._app = app
        self._cancelled = cancelled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        bridge = bridge_of(scope) if scope["type"] == "http" else None
        if bridge is None or Headers(scope=scope).get(MCP_METHOD_HEADER) != CANCELLED:
            await self._app(scope, receive, send)
            return
        params = _params(await Request(scope, receive).body())
        answer: Response
        if params is None:
            answer = JSONResponse({"error": f"The body is not {CANCELLED}."}, HTTPStatus.BAD_REQUEST)
        else:
            self._cancelled(bridge, params)
            answer = Response(status_code=HTTPStatus.ACCEPTED)
        await answer(scope, receive, send)


def _params(body: bytes) -> dict[str, Any] | None:
    """Return what a cancel says, None of what is none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("method") != CANCELLED:
        return None
    params = message.get("params")
    return params if isinstance(params, dict) else None
