"""One session and one kernel a notebook, whoever asks first and however the other comes."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from inspect import signature
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp.locks import KeyedLocks

from .page_asks import PageAsks

Session = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def one_for_each_path(sessions: Any) -> None:
    """Make the server's session manager keep one session, and one kernel, for each notebook."""
    keeper = _Keeper(sessions)
    sessions.create_session = keeper.create_session
    sessions.update_session = keeper.update_session
    sessions.delete_session = keeper.delete_session
    sessions.list_sessions = keeper.list_sessions


def preferred(sessions: list[Session], path: str, ours: set[str]) -> Session | None:
    """Return the notebook's session: one whose kernel has a page, else one that is not ours, else the first."""
    found = _of(sessions, path)
    return max(found, key=lambda one: (_connected(one), one["id"] not in ours), default=None)


class _Keeper:
    """Stands before a session manager's methods.

    Upstream (jupyter-server 2.21) looks whether the path has a session, starts a kernel, and only then notes
    the session: who asks meanwhile gets a second kernel. JupyterLab (4.6) asks under a random path beside the
    notebook, with the notebook's name, and renames the session when it is there: it never finds an agent's.
    """

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions
        self._create = sessions.create_session
        self._update = sessions.update_session
        self._delete = sessions.delete_session
        self._list = sessions.list_sessions
        self._starting = KeyedLocks()
        self._tasks: set[asyncio.Task[Session]] = set()
        self._ending: set[str] = set()
        self._asks = PageAsks()

    async def create_session(self, path: str | None = None, *rest: Any, **options: Any) -> Session:
        """Start a session, or give the one that the notebook has.

        A start goes on when who asked for it is cancelled, and one that fails is forgotten: either would leave a
        pending kernel, and a server with one never stops.
        """
        names = ("name", "type", "kernel_name", "kernel_id")
        task = asyncio.create_task(self._start(path, {**dict(zip(names, rest, strict=False)), **options}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _start(self, path: str | None, options: dict[str, Any]) -> Session:
        notebook = _notebook_of(path, options)
        where = path if notebook is None else notebook
        waits = self._starting.held(str(where))
        async with self._starting(str(where)):
            try:
                if notebook is not None:
                    return await self._of_notebook(notebook, str(path), options)
                if waits and await ensure_async(self._sessions.session_exists(path=path)):
                    found: Session = await ensure_async(self._sessions.get_session(path=path))
                    return found
                made: Session = await ensure_async(self._create(path, **options))
            except BaseException:
                _forget_failed(self._sessions.kernel_manager)
                raise
            return made

    async def _of_notebook(self, notebook: str, asked: str, options: dict[str, Any]) -> Session:
        """Return the notebook's session under the path it was asked for: JupyterLab ends one with another path."""
        found = preferred(await self._all(), notebook, set())
        if found is None:
            made: Session = await ensure_async(self._create(notebook, **options))
            return {**made, "path": asked}
        if asked != notebook:  # a person's page without a kernel, that starts one
            found = await self._with_kernel(found, options)
            self._asks.given(found["id"])
        return {**found, "path": asked}

    async def _with_kernel(self, session: Session, options: dict[str, Any]) -> Session:
        """Return the session, on another kernel if another one was asked for."""
        now, name, kernel_id = session["kernel"], options.get("kernel_name"), options.get("kernel_id")
        if kernel_id == now["id"] or (kernel_id is None and name in (None, now["name"])):
            return session
        if kernel_id is None or kernel_id not in self._sessions.kernel_manager:
            about = {key: session[key] for key in ("path", "name", "type")}
            # jupyter-server 2.19 starts a kernel under no id but its own.
            start = self._sessions.start_kernel_for_session
            more = {"kernel_id": kernel_id} if "kernel_id" in signature(start).parameters else {}
            kernel_id = await start(session["id"], kernel_name=name, **more, **about)
        for one in _of(await self._all(), session["path"]):
            await ensure_async(self._update(one["id"], kernel_id=kernel_id))
        await self._retire({now["id"]})
        again: Session = await ensure_async(self._sessions.get_session(session_id=session["id"]))
        return again

    async def update_session(self, session_id: str, **changes: Any) -> None:
        """Change a session, and those of the same notebook with it; two that meet at a path get one kernel."""
        before: Session = await ensure_async(self._sessions.get_session(session_id=session_id))
        path: Any = changes.get("path", before["path"])
        if changes.get("type", before["type"]) != "notebook":
            await ensure_async(self._update(session_id, **changes))
            return
        if "path" in changes:
            self._asks.taken(session_id)
        async with self._starting(str(path)):
            sessions = await self._all()
            together = [
                one
                for one in _of(sessions, before["path"])
                if one["id"] != session_id and one["kernel"]["id"] == before["kernel"]["id"]
            ]
            others = [] if path == before["path"] else _of(sessions, path)
            if others:
                changes.setdefault("kernel_id", _one_kernel(before, others))
            await ensure_async(self._update(session_id, **changes))
            shared = {key: changes[key] for key in ("path", "name", "kernel_id") if key in changes}
            for one in together:
                await ensure_async(self._update(one["id"], **shared))
            for one in others:
                if _connected(one):
                    await ensure_async(self._update(one["id"], kernel_id=changes["kernel_id"]))
                else:
                    self._forget(one["id"])
            # Its own former kernel is ended by who asked, Jupyter's PATCH.
            await self._retire({one["kernel"]["id"] for one in others} - {before["kernel"]["id"]})

    async def delete_session(self, session_id: str) -> None:
        """End a session and its kernel, unless a page only lets go of it and it, or another page, works with it."""
        if self._asks.stays(session_id):
            return
        self._ending.add(session_id)
        try:
            await ensure_async(self._delete(session_id))
        finally:
            self._ending.discard(session_id)

    async def list_sessions(self) -> list[Session]:
        """List the sessions but those that end: a kernel takes seconds to shut down, and nobody should join it."""
        return [one for one in await ensure_async(self._list()) if one["id"] not in self._ending]

    async def _all(self) -> list[Session]:
        return [one for one in await self.list_sessions() if one["kernel"]]

    def _forget(self, session_id: str) -> None:
        """Drop a session that no page uses, and leave its kernel alone; delete_session would end it."""
        cursor = getattr(self._sessions, "cursor", None)
        if cursor is not None:  # another kind of session manager keeps it: two of one kernel do no harm
            cursor.execute("DELETE FROM session WHERE session_id=?", (session_id,))

    async def _retire(self, kernel_ids: set[str]) -> None:
        """Shut down the kernels that no session has any more."""
        used = {one["kernel"]["id"] for one in await self._all()}
        for kernel_id in kernel_ids - used:
            await ensure_async(self._sessions.kernel_manager.shutdown_kernel(kernel_id))


def _notebook_of(path: str | None, options: dict[str, Any]) -> str | None:
    """Return the path of the notebook that a session is for; None if it is for something else."""
    if not path or options.get("type") != "notebook":
        return None
    folder, slash, last = path.rpartition("/")
    name = options.get("name")
    if _UUID.fullmatch(last) and isinstance(name, str) and name and "/" not in name:
        return f"{folder}{slash}{name}"
    return path


def _of(sessions: list[Session], path: str) -> list[Session]:
    return [one for one in sessions if one["path"] == path and one["type"] == "notebook"]


def _connected(session: Session) -> bool:
    return bool(session["kernel"].get("connections"))


def _one_kernel(arriving: Session, there: list[Session]) -> str:
    """Return the kernel for both: one that comes from a random path is new, and its page gets the one with the work.

    Another kind of kernel was chosen, and a session with a notebook's path comes with its work: they bring theirs.
    """
    work = max(there, key=_connected)["kernel"]
    new = _UUID.search(arriving["path"].rpartition("/")[2]) is not None
    kernel: str = (work if new and work["name"] == arriving["kernel"]["name"] else arriving["kernel"])["id"]
    return kernel


def known_from_the_start(kernels: Any) -> None:
    """Set a state and a time on each kernel's manager before others can see it.

    Upstream (jupyter-server 2.21) puts a new kernel among the others and only then, in a later turn of the event
    loop, sets its `last_activity`: a list of kernels or sessions that is asked for in between was answered with 500.
    """
    before = kernels.pre_start_kernel

    def pre_start_kernel(*args: Any, **options: Any) -> Any:
        made = before(*args, **options)
        manager = made[0]
        manager.execution_state, manager.reason, manager.last_activity = "starting", "", datetime.now(UTC)
        return made

    kernels.pre_start_kernel = pre_start_kernel


def _forget_failed(kernels: Any) -> None:
    """Drop the starts that ended without a kernel: jupyter-client 8.10 keeps them."""
    pending: dict[str, asyncio.Future[None]] = getattr(kernels, "_pending_kernels", {})
    for kernel_id, start in list(pending.items()):
        if start.done() and kernel_id not in kernels:
            del pending[kernel_id]
