"""An explicit cancel of a call interrupts the run that it waits for; a client that leaves does not.

`notifications/cancelled` is one. Over HTTP, 2026-07-28 has none: there a client closes the connection, as one does
that is killed or loses its network, and the run goes on; stop_run stops it. A bridge's client has it in both eras.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastmcp.server.dependencies import get_context, get_http_request

from jupyter_mcp.kernels.runs import Run
from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.steering.calls import Call
from jupyter_mcp.transport.bridge_cancels import bridge_of

_SESSION = "mcp-session-id"
_TIMED_OUT = ("timed out", "timeout")  # in a reason: the client no longer waits, but nobody asked to stop anything
_LATE = 5.0  # seconds in which the notification reaches us

Key = tuple[str, str]


class Cancelling:
    """The calls that wait for a run, by session and request id."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Run] = {}

    @contextmanager
    def stops(self, run: Run | None) -> Iterator[None]:
        """Let an explicit cancel of this call, and a person who stops it, stop the run meanwhile."""
        try:
            with self._listening(run):
                yield
        except asyncio.CancelledError:
            call = ACTOR.get()
            if run is not None and isinstance(call, Call) and call.stopped_by is not None:
                run.stop(f"was stopped by {call.stopped_by}")
            raise

    @contextmanager
    def _listening(self, run: Run | None) -> Iterator[None]:
        request = get_http_request()
        session = request.headers.get(_SESSION) or bridge_of(request.scope)
        if run is None or session is None:  # without sessions, the request ids of many clients would be one
            yield
            return
        key = session, str(get_context().request_id)
        self._waiting[key] = run
        try:
            yield
        except asyncio.CancelledError:
            # The SDK cancels the call before it hands the notification on.
            asyncio.get_running_loop().call_later(_LATE, self._waiting.pop, key, None)
            raise
        except BaseException:
            del self._waiting[key]
            raise
        del self._waiting[key]

    async def middleware(self, context: Any, call_next: Any) -> Any:
        """See each notification before the SDK's server: stop the run whose call is cancelled."""
        if context.method == "notifications/cancelled" and context.request is not None:
            self.cancelled(context.request.headers.get(_SESSION), context.params or {})
        return await call_next(context)

    def cancelled(self, session: str | None, params: Any) -> None:
        """Stop the run of a session's or a bridge's call."""
        run = self._waiting.get((str(session), str(params.get("requestId"))))
        reason = str(params.get("reason") or "").lower()
        if run is not None and not any(words in reason for words in _TIMED_OUT):
            run.stop("the call was cancelled")
