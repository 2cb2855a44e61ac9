"""The kernels of notebooks: found or started through Jupyter's session manager, one client each."""

from __future__ import annotations

import asyncio
import time
from logging import Logger
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.locks import KeyedLocks

from .displays import Displays
from .fate import Fate, gone
from .kernel import Kernel, own, process_of
from .sessions import preferred

_RESTARTER_WITHIN = 6.0  # seconds in which Jupyter's own restarter (it polls every 3) brings a kernel back


class Kernels:
    """Finds, starts and connects to the kernels of notebooks."""

    def __init__(self, settings: dict[str, Any], log: Logger, *, ready_timeout: float) -> None:
        self._sessions = settings["session_manager"]
        self._managers = settings["kernel_manager"]
        self._specs = settings["kernel_spec_manager"]
        self._log = log
        self._ready_timeout = ready_timeout
        self._kernels: dict[str, Kernel] = {}
        self._starting = KeyedLocks()
        self._started: dict[str, tuple[str, str]] = {}  # room id: session and path, for renamed notebooks

    async def id_of(self, path: str, room_id: str, kernel_name: str | None) -> str:
        """Give the id of the kernel of the notebook's session, a person's or ours; starts one if there is none."""
        async with self._starting(room_id):
            sessions = [one for one in await ensure_async(self._sessions.list_sessions()) if one["kernel"]]
            ours = {session_id for session_id, _ in self._started.values()}
            if (found := preferred(sessions, path, ours)) is not None:
                return str(found["kernel"]["id"])
            session_id, old_path = self._started.get(room_id, ("", path))
            for session in sessions:
                if session["id"] == session_id and session["path"] == old_path:
                    await self._sessions.update_session(session_id, path=path, name=path.rsplit("/", 1)[-1])
                    self._started[room_id] = session_id, path
                    return str(session["kernel"]["id"])
            session = await self._start(path, kernel_name)
            self._started[room_id] = session["id"], path
            return str(session["kernel"]["id"])

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

    def is_busy(self, kernel_id: str) -> bool:
        """Tell whether Jupyter last saw the kernel work on something."""
        return getattr(self._manager(kernel_id), "execution_state", None) == "busy"

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
        client = manager.client(session=own(manager.session))
        client.start_channels()
        kernel = Kernel(kernel_id, manager, client, Displays(), self._log)
        try:
            await asyncio.wait_for(kernel.ready(), self._ready_timeout)
        except BaseException as error:
            await kernel.close()
            if isinstance(error, EOFError):
                fate = await kernel.fate(self._managers) or Fate.DIED
                raise KernelUnavailableError(gone(fate, "while it started")) from error
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
            await kernel.close()

    async def sweep(self) -> None:
        """Disconnect from kernels that were shut down, and forget their sessions."""
        for kernel_id, kernel in list(self._kernels.items()):
            if kernel_id not in self._managers and not kernel.runs:
                await self.drop(kernel_id)
            kernel.ended.sweep()
        alive = {session["id"] for session in await ensure_async(self._sessions.list_sessions())}
        for room_id, (session_id, _) in list(self._started.items()):
            if session_id not in alive:
                del self._started[room_id]

    async def close(self) -> None:
        """Disconnect from every kernel; Jupyter decides whether they go on."""
        for kernel_id in list(self._kernels):
            await self.drop(kernel_id)
