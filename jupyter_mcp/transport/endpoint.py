"""The ASGI application below the bridge: its lifespan, its running requests, its limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from logging import Logger
from typing import Any

from jupyter_mcp import metrics

from .arrivals import Arrivals
from .boundary import passes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

STOP_WITHIN = 10.0  # seconds the running requests may take to end when the server stops
UP_WITHIN = 5.0  # seconds a request waits while the application is started anew
_PAUSES = (0.0, 0.1, 1.0, 5.0)  # seconds before each start anew, while none of them lives for _LIVED
_LIVED = 60.0  # seconds


class Endpoint:
    """One ASGI application inside Jupyter Server.

    `lifespan` is entered by `start` and left by `stop`; one that ends by itself is logged and entered anew. At most
    `max_streams` requests run at the same time, as many event streams of sessions wait, and as many bodies arrive,
    each of at most `max_body_bytes` and within `body_timeout` seconds.
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
        body_timeout: float = 60.0,
    ) -> None:
        self.app = app
        self.log = log
        self.max_body_bytes = max_body_bytes
        self.max_streams = max_streams
        self.allow_unauthenticated = allow_unauthenticated
        self.arrivals = Arrivals(most=max_streams, within=body_timeout)
        self.running = 0  # requests whose bodies are here
        self.listening = 0  # sessions' GET streams, which mostly wait
        self.stopping = False
        self._tasks: dict[asyncio.Task[Any], bool] = {}  # and whether they need a session
        self._lifespan = lifespan
        self._stop = asyncio.Event()
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        metrics.REQUESTS.watch(self._requests)
        metrics.STREAMS.watch(self._streams)

    def _requests(self) -> float:
        return self.running

    def _streams(self) -> float:
        return self.listening

    async def start(self) -> None:
        """Enter the lifespan; a failure of the application is raised here."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # anyio's task groups must be left by the task that entered them, hence one task.
        self._task = asyncio.create_task(self._live(started))
        await started

    async def _live(self, started: asyncio.Future[None]) -> None:
        failures = 0
        while not self._stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                await self._live_once(started)
            except BaseException as error:
                if passes(error):
                    raise
                if not started.done():
                    started.set_exception(error)
                    return
                lived = asyncio.get_running_loop().time() - began
                failures = 0 if lived > _LIVED else failures + 1
                self.log.exception("The MCP application ended with an error; its sessions end, and it is started anew")
                self._end_sessions()
                with contextlib.suppress(TimeoutError):
                    pause = _PAUSES[max(0, min(failures, len(_PAUSES)) - 1)]
                    await asyncio.wait_for(self._stop.wait(), pause)

    async def _live_once(self, started: asyncio.Future[None]) -> None:
        try:
            async with self._lifespan():
                self._up.set()
                if not started.done():
                    started.set_result(None)
                await self._stop.wait()
        finally:
            self._up.clear()

    def _end_sessions(self) -> None:
        """End the requests whose sessions are gone: nobody else would answer them."""
        for task, session in self._tasks.items():
            if session:
                task.cancel()

    async def up(self) -> bool:
        """Wait until the application takes requests; tells whether it does."""
        if not self._up.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._up.wait(), UP_WITHIN)
        return self._up.is_set()

    @contextlib.contextmanager
    def serving(self, *, session: bool) -> Iterator[None]:
        """Count the current task among those that `stop` ends, and with `session` the end of the sessions too."""
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a handler always runs in a task
            yield
            return
        self._tasks[task] = session
        try:
            yield
        finally:
            self._tasks.pop(task, None)

    async def stop(self) -> None:
        """End the running requests, then leave the lifespan; returns when all have cleaned up."""
        self.stopping = True
        running = list(self._tasks)
        for task in running:
            task.cancel()
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_WITHIN)
            if late:
                self.log.warning("%d MCP requests did not end in %g s", len(late), STOP_WITHIN)
        self._stop.set()
        if self._task is not None:
            await self._task
