"""The ASGI application below the bridge: its lifespan, its running requests, its limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from logging import Logger
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

STOP_WITHIN = 10.0  # seconds the running requests may take to end when the server stops


class Endpoint:
    """One ASGI application inside Jupyter Server.

    `lifespan` is entered by `start` and left by `stop`; at most `max_streams` requests, each with a
    body of at most `max_body_bytes`, are open at the same time.
    """

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
        self._running: set[asyncio.Task[Any]] = set()
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
                self.log.exception("The MCP application stopped with an error")
            else:
                started.set_exception(error)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count the current task among those that `stop` ends."""
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a handler always runs in a task
            yield
            return
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def stop(self) -> None:
        """End the running requests, then leave the lifespan; returns when all have cleaned up."""
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_WITHIN)
            if late:
                self.log.warning("%d MCP requests did not end in %g s", len(late), STOP_WITHIN)
        self._stop.set()
        if self._task is not None:
            await self._task
