"""Event streams of the stateful era that are opened only where one is needed.

The SDK (mcp 2.3) answers each request of a session with an event stream: five tasks and three ASGI messages for what
is mostly one response. Requests of 2026-07-28 it answers with JSON unless something comes before the response; a
server may do so in every revision that has Streamable HTTP (MCP 2025-11-25, "Sending Messages to the Server").
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server import streamable_http
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from jupyter_mcp.probe import Part, works

WITHIN = 1.0  # seconds a response may take before its stream is opened: proxies give up on a silent server
DEFERS_KEY = "jupyter_mcp.defers"  # in the scope of a request that is answered so
_NO_CONTEXT = Context()
_SESSION = "mcp-session-id"
_RESPONSE = re.compile(r'\{"jsonrpc":"2\.0","id":(?:"(?:[^"\\]|\\.)*"|-?\d+),"(?:result|error)":')


class DeferredStream(EventSourceResponse):
    """The SDK's reply to one POST: JSON if the response comes first and soon, else the event stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the stream begins with what has come meanwhile."""
        if not scope.get(DEFERS_KEY) or scope["method"] != "POST" or self.data_sender_callable is None:
            await super().__call__(scope, receive, send)
            return
        sending = asyncio.create_task(self.data_sender_callable())
        try:
            first = await self._first()
            if first is not None and _RESPONSE.match(first["data"]):
                session = {_SESSION: self.headers[_SESSION]} if _SESSION in self.headers else None
                await Response(first["data"], headers=session, media_type="application/json")(scope, receive, send)
                await sending
                return
            self.body_iterator = _resumed(first, cast("AsyncIterator[dict[str, Any]]", self.body_iterator))
            self.data_sender_callable = _joining(sending)
            await super().__call__(scope, receive, send)
        finally:
            sending.cancel()

    async def _first(self) -> dict[str, Any] | None:
        """Return the first event; None if it is late, or if the session ended."""
        events = cast("MemoryObjectReceiveStream[dict[str, Any]]", self.body_iterator)
        with anyio.CancelScope() as late:
            # Not move_on_after: a cancelled timer stays in asyncio's heap for a while, and with it its context,
            # which has the whole request.
            timer = asyncio.get_running_loop().call_later(WITHIN, late.cancel, context=_NO_CONTEXT)
            try:
                return await events.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                return None
            finally:
                timer.cancel()
        return None


async def _resumed(first: dict[str, Any] | None, rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    if first is not None:
        yield first
    async for event in rest:
        yield event


def _joining(task: asyncio.Task[None]) -> Any:
    async def join() -> None:
        await task

    return join


def deferring(app: ASGIApp) -> ASGIApp:
    """Make the sessions of a FastMCP or SDK application answer so; other applications of the process don't change."""
    if not works(Part.JSON):
        return app
    # A name that the SDK imports, no API: without it everything is a stream, as it comes.
    setattr(streamable_http, "EventSourceResponse", DeferredStream)  # noqa: B010 - for the type checker it is not there

    async def deferring_app(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, DEFERS_KEY: True}, receive, send)

    return deferring_app
