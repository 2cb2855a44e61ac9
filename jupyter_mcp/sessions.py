"""One session a notebook, also when a person and an agent ask for it at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.utils import ensure_async

from .keyed import KeyedLocks


def one_for_each_path(sessions: Any) -> None:
    """Make the server's session manager start one session for those who ask for the same path at once.

    Upstream (jupyter-server 2.21) looks whether the path has a session, starts a kernel, and only then notes
    the session: who asks meanwhile gets a second kernel, and agent and person would work with different
    variables. Here who comes meanwhile waits, and is given the session as one who came later is. A start goes
    on when who asked for it is cancelled, and one that fails is forgotten: either would leave a pending kernel,
    and a server with one never stops.
    """
    create = sessions.create_session
    starting = KeyedLocks()
    tasks: set[asyncio.Task[dict[str, Any]]] = set()

    async def start(path: str | None, *rest: Any, **options: Any) -> dict[str, Any]:
        waits = starting.held(str(path))
        async with starting(str(path)):
            if waits and await ensure_async(sessions.session_exists(path=path)):
                found: dict[str, Any] = await ensure_async(sessions.get_session(path=path))
                return found
            try:
                made: dict[str, Any] = await ensure_async(create(path, *rest, **options))
            except BaseException:
                _forget_failed(sessions.kernel_manager)
                raise
            return made

    async def create_session(path: str | None = None, *rest: Any, **options: Any) -> dict[str, Any]:
        task = asyncio.create_task(start(path, *rest, **options))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return await asyncio.shield(task)

    sessions.create_session = create_session


def _forget_failed(kernels: Any) -> None:
    """Drop the starts that ended without a kernel: jupyter-client 8.10 keeps them."""
    pending: dict[str, asyncio.Future[None]] = getattr(kernels, "_pending_kernels", {})
    for kernel_id, start in list(pending.items()):
        if start.done() and kernel_id not in kernels:
            del pending[kernel_id]
