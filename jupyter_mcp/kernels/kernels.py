"""The kernels of notebooks: found or started through Jupyter's session manager, one client each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from logging import Logger
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp import metrics
from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.locks import KeyedLocks

from .agents_kernels import AgentsKernels, duration
from .connection import connected
from .displays import Displays
from .fate import Fate, gone, gone_at_start
from .kernel import Kernel, process_of
from .last_kernels import LastKernels
from .sessions import preferred

_RESTARTER_WITHIN = 6.0  # seconds in which Jupyter's own restarter (it polls every 3) brings a kernel back


class Kernels:
    """Finds, starts and connects to the kernels of notebooks."""

    def __init__(
        self,
        settings: dict[str, Any],
        log: Logger,
        *,
        ready_timeout: float,
        max_kernels: int = 20,
        idle_timeout: float = 0,
    ) -> None:
        self._sessions = settings["session_manager"]
        self._managers = settings["kernel_manager"]
        self._specs = settings["kernel_spec_manager"]
        self._log = log
        self._ready_timeout = ready_timeout
        self._kernels: dict[str, Kernel] = {}
        self._starting = KeyedLocks()
        self._started: dict[str, tuple[str, str]] = {}  # room id: session and path, for renamed notebooks
        self._idle_timeout = idle_timeout
        self._agents = AgentsKernels(max_kernels, idle_timeout)
        self._last = LastKernels()
        self._starts: dict[str, asyncio.Task[str]] = {}  # by room id
        metrics.KERNELS.watch(self._count)

    def _count(self) -> float:
        return self._agents.count(self._managers)

    async def id_of(self, path: str, room_id: str, kernel_name: str | None) -> str:
        """Return the id of the kernel of the notebook's session, a person's or ours; start one if there is none.

        Raises TooManyError when agents have as many kernels as they may.
        """
        async with self._starting(room_id):
            sessions = [one for one in await ensure_async(self._sessions.list_sessions()) if one["kernel"]]
            ours = {session_id for session_id, _ in self._started.values()}
            if (found := preferred(sessions, path, ours)) is not None:
                return self._agents.touched(str(found["kernel"]["id"]))
            session_id, old_path = self._started.get(room_id, ("", path))
            for session in sessions:
                if session["id"] == session_id and session["path"] == old_path:
                    await self._sessions.update_session(session_id, path=path, name=path.rsplit("/", 1)[-1])
                    self._started[room_id] = session_id, path
                    return self._agents.touched(str(session["kernel"]["id"]))
            # A start goes on when the caller is cancelled, and its kernel must be counted then too.
            if (start := self._starts.get(room_id)) is None:
                start = asyncio.create_task(self._start_counted(sessions, path, room_id, kernel_name))
                self._starts[room_id] = start
                start.add_done_callback(lambda done: self._start_ended(room_id, done))
            return await asyncio.shield(start)

    def _start_ended(self, room_id: str, start: asyncio.Task[str]) -> None:
        del self._starts[room_id]
        if not start.cancelled():
            start.exception()  # told to the caller, unless that was cancelled

    async def _start_counted(
        self, sessions: list[dict[str, Any]], path: str, room_id: str, kernel_name: str | None
    ) -> str:
        with self._agents.place(sessions, self._managers):
            session = await self._start(path, kernel_name)
            kernel_id = str(session["kernel"]["id"])
            self._started[room_id] = session["id"], path
            self._agents.add(kernel_id, room_id)
            return kernel_id

    async def _start(self, path: str, kernel_name: str | None) -> dict[str, Any]:
        # Asked before, so that the error names what there is.
        known = await ensure_async(self._specs.get_all_specs())
        if kernel_name and kernel_name not in known:
            raise KernelUnavailableError(
                f"This server has no kernel {kernel_name!r}, as the notebook wants; it has {', '.join(sorted(known))}."
            )
        try:
            session: dict[str, Any] = await self._sessions.create_session(
                path=path, name=path.rsplit("/", 1)[-1], type="notebook", kernel_name=kernel_name or None
            )
        except Exception as error:  # boundary: any kernel provisioner may raise anything
            self._log.exception("No kernel for %s", path)
            raise KernelUnavailableError(
                f"The kernel {kernel_name or 'of this server'!r} did not start ({type(error).__name__}); "
                "check the notebook's kernelspec, or ask the server's owner."
            ) from error
        return session

    def runs(self, room_id: str, kernel: Kernel, was_run: Callable[[], bool]) -> None:
        """Note that the notebook's next run goes to this kernel; `was_run` tells whether it shows earlier runs."""
        misses_runs = self._agents.first_run(kernel.id) and not kernel.foreign and was_run()
        self._last.runs(room_id, kernel, self._managers, misses_runs=misses_runs)

    def notice(self, room_id: str) -> str | None:
        """Return, once, what there is to tell beside the outputs of the notebook's run; None for nothing."""
        return self._last.notice(room_id)

    def there(self, kernel_id: str) -> bool:
        """Return whether Jupyter has the kernel."""
        return kernel_id in self._managers

    def state_of(self, kernel_id: str) -> str | None:
        """Return what the kernel was last heard to do; None if there is no such kernel.

        Jupyter may begin to listen after a kernel's first words: it then takes the kernel for one that starts until it
        has something to say again, which a long cell may not have. What we have heard counts there.
        """
        if not self.there(kernel_id):
            return None
        manager = self._managers.get_kernel(kernel_id)
        heard: str | None = getattr(manager, "execution_state", None)
        ours = self._kernels.get(kernel_id)
        if heard == "starting" and ours is not None and ours.connected and ours.process == process_of(manager):
            return "idle" if ours.idle.is_set() else "busy"
        return heard

    def is_busy(self, kernel_id: str) -> bool:
        """Return whether Jupyter last saw the kernel work on something. Raises KernelUnavailableError."""
        self._manager(kernel_id)
        return self.state_of(kernel_id) == "busy"

    def replaced(self, old: str, new: str) -> None:
        """Count the kernel that comes in the place of one that an agent started."""
        if (room_id := self._agents.room_of(old)) is not None:
            self._agents.add(new, room_id)

    async def busy(self, path: str) -> bool:
        """Return whether the notebook's kernel works on something, as far as Jupyter knows."""
        sessions = [one for one in await ensure_async(self._sessions.list_sessions()) if one["kernel"]]
        found = preferred(sessions, path, set())
        return found is not None and self.state_of(found["kernel"]["id"]) == "busy"

    def _manager(self, kernel_id: str) -> Any:
        """Return Jupyter's manager of the kernel. Raises KernelUnavailableError when it was shut down."""
        if kernel_id not in self._managers:
            raise KernelUnavailableError(gone(Fate.SHUT_DOWN, "while the call waited for it"))
        return self._managers.get_kernel(kernel_id)

    async def fate(self, kernel: Kernel) -> Fate | None:
        """Return what became of the process we are connected to, None while it runs."""
        return await kernel.fate(self._managers)

    async def connect(self, kernel_id: str) -> Kernel:
        """Return the connected kernel; brings a dead one back.

        Raises KernelUnavailableError when it is not ready within `ready_timeout` seconds.
        """
        manager = self._manager(kernel_id)
        await self._revive(kernel_id, manager)
        known = self._kernels.get(kernel_id)
        if known is not None and known.connected and known.manager is manager and known.process == process_of(manager):
            return known
        await self.drop(kernel_id)
        kernel = Kernel(kernel_id, manager, connected(manager), Displays(), self._log)
        try:
            await asyncio.wait_for(kernel.ready(), self._ready_timeout)
        except BaseException as error:
            await kernel.close()
            if isinstance(error, EOFError):
                fate = await kernel.fate(self._managers) or Fate.DIED
                raise KernelUnavailableError(gone_at_start(fate)) from error
            if isinstance(error, TimeoutError):
                raise KernelUnavailableError(
                    f"The kernel did not answer within {self._ready_timeout:g} s; nothing was run. "
                    "Try again, or restart it."
                ) from error
            raise
        self._kernels[kernel_id] = kernel
        return kernel

    async def _revive(self, kernel_id: str, manager: Any) -> None:
        """Wait for Jupyter's restarter; two restarts at once would leave a process behind."""
        deadline = time.monotonic() + (_RESTARTER_WITHIN if manager.autorestart else 0)
        while not await ensure_async(manager.is_alive()):
            self._manager(kernel_id)  # it may be shut down meanwhile
            if time.monotonic() >= deadline and not getattr(manager, "shutting_down", False):
                try:
                    await ensure_async(self._managers.restart_kernel(kernel_id))
                except Exception as error:  # boundary: any kernel provisioner may raise anything
                    self._log.exception("Kernel %s did not come back", kernel_id)
                    raise KernelUnavailableError(
                        f"The kernel had died and did not start again ({type(error).__name__}); nothing was run. "
                        "Shut it down and run again, or ask the server's owner."
                    ) from error
                return
            await asyncio.sleep(0.1)

    async def drop(self, kernel_id: str) -> None:
        """Disconnect from a kernel."""
        if kernel := self._kernels.pop(kernel_id, None):
            if kernel.foreign:
                self._agents.share(kernel_id)
            self._last.went(kernel, await kernel.fate(self._managers))
            await kernel.close()

    async def _end_idle(self) -> None:
        """Shut down the kernels that agents started and nobody needs."""
        for kernel_id, room_id in await self._idle():
            if self._starting.held(room_id):
                continue  # a call is about to use it
            async with self._starting(room_id):
                if (kernel_id, room_id) in await self._idle():  # nobody came while others were ended
                    await self._end(kernel_id)

    async def _idle(self) -> list[tuple[str, str]]:
        sessions = await ensure_async(self._sessions.list_sessions())
        return self._agents.idle(sessions, self._managers, self._kernels.get)

    async def _end(self, kernel_id: str) -> None:
        if kernel := self._kernels.get(kernel_id):
            self._last.went(kernel, f"was shut down after {duration(self._idle_timeout)} idle")
        await self.drop(kernel_id)
        self._log.info("Kernel %s, which an agent started, was idle: it is shut down", kernel_id)
        sessions = await ensure_async(self._sessions.list_sessions())
        session_id = next((one["id"] for one in sessions if one["kernel"] and one["kernel"]["id"] == kernel_id), None)
        try:
            if session_id is not None:
                await ensure_async(self._sessions.delete_session(session_id))
            else:
                await ensure_async(self._managers.shutdown_kernel(kernel_id))
        except Exception:  # noqa: BLE001 - any kernel provisioner may raise anything
            self._log.exception("Kernel %s, which is idle, can't be shut down", kernel_id)
        if kernel_id in self._managers:
            self._agents.touched(kernel_id)  # tried again after the same time
        else:
            self._agents.ended(kernel_id)

    async def sweep(self) -> None:
        """Disconnect from kernels that were shut down, end what only agents used, and forget their sessions."""
        for kernel_id, kernel in list(self._kernels.items()):
            if kernel_id not in self._managers and not kernel.runs:
                await self.drop(kernel_id)
            kernel.ended.sweep()
        await self._end_idle()
        alive = {session["id"] for session in await ensure_async(self._sessions.list_sessions())}
        for room_id, (session_id, _) in list(self._started.items()):
            if session_id not in alive:
                del self._started[room_id]

    async def close(self) -> None:
        """Disconnect from every kernel; Jupyter decides whether they go on."""
        for kernel_id in list(self._kernels):
            await self.drop(kernel_id)
