"""The kernels of notebooks: found or started through Jupyter's session manager, one client each."""

from __future__ import annotations

import asyncio
import time
from logging import Logger
from typing import Any
from uuid import uuid4

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session
from jupyter_server.utils import ensure_async

from .displays import Displays
from .errors import KernelUnavailableError
from .keyed import KeyedLocks
from .late import Ended, LateOutput
from .outputs import OutputSink
from .run import Run
from .sessions import preferred

_YIELD_EVERY = 0.005  # seconds a busy channel may keep the event loop
_RESTARTER_WITHIN = 6.0  # seconds in which Jupyter's own restarter (it polls every 3) brings a kernel back


class Kernel:
    """A connected kernel process."""

    def __init__(self, kernel_id: str, manager: Any, client: AsyncKernelClient, displays: Displays) -> None:
        self.id = kernel_id
        self.manager = manager
        self.client = client
        self.process = process_of(manager)
        self.displays = displays
        self.runs: dict[str, Run] = {}
        self.ended = Ended()
        self.idle = asyncio.Event()
        self.idle.set()
        self._readers = [asyncio.create_task(self._read_iopub()), asyncio.create_task(self._read_shell())]

    async def _read_shell(self) -> None:
        """Hand every reply to the run that asked."""
        while True:
            message = await self.client.get_shell_msg(timeout=None)
            if run := self.runs.get(message["parent_header"].get("msg_id", "")):
                run.on_reply(message["content"])

    async def _read_iopub(self) -> None:
        """Hand every message to the run that caused it.

        A kernel drops what is not read in time, so under a flood nothing may be slow: once a run's
        limit is reached, its stream messages are not even decoded.
        """
        channel, session = self.client.iopub_channel.socket, self.client.session
        began = time.monotonic()
        while True:
            topics, parts = session.feed_identities(await channel.recv_multipart())
            streams = bool(topics) and b"stream" in topics[0]
            sink = self._sink_of(session.unpack(parts[2]).get("msg_id", "")) if streams else None
            if sink is None or not sink.full:
                self._on_iopub(session.deserialize(parts))
            if time.monotonic() - began > _YIELD_EVERY:
                await asyncio.sleep(0)  # messages that are there are received without a pause
                began = time.monotonic()

    def _sink_of(self, message_id: str) -> OutputSink | LateOutput | None:
        run = self.runs.get(message_id)
        return self.ended.get(message_id) if run is None else run.sink

    def _on_iopub(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id", "")
        run = self.runs.get(parent)
        if kind == "status":
            self._on_status(run, content["execution_state"])
        elif run is not None:
            run.on_output(kind, content)
        elif (late := self.ended.get(parent)) is not None:
            late.take(kind, content)
        elif kind == "update_display_data":
            self.displays.update(content)

    def _on_status(self, run: Run | None, state: str) -> None:
        if state == "busy":
            self.idle.clear()
        elif state == "idle":
            self.idle.set()
        if run is not None:
            run.on_status(state)

    async def is_alive(self) -> bool:
        """Tell whether the process we are connected to still runs."""
        return bool(await ensure_async(self.manager.is_alive())) and process_of(self.manager) == self.process

    async def close(self) -> None:
        """Stop reading and close the sockets; the kernel itself goes on."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self.ended.clear()
        self.client.stop_channels()


def _own(session: Session) -> Session:
    """Give a session with the same key and an id of its own.

    The id is the ZeroMQ identity. Of two clients with one identity a kernel hears only the later one
    (ROUTER_HANDOVER), and others in this process connect with the manager's session.
    """
    mine = session.clone()
    mine.session = uuid4().hex
    return mine


def process_of(manager: Any) -> Any:
    """Identify the kernel's process: a restart keeps manager and kernel id."""
    provisioner = manager.provisioner
    return getattr(provisioner, "pid", None) or id(provisioner)


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
        return getattr(self._managers.get_kernel(kernel_id), "execution_state", None) == "busy"

    async def connect(self, kernel_id: str) -> Kernel:
        """Give the connected kernel; brings a dead one back.

        Raises KernelUnavailableError when it is not ready within `ready_timeout` seconds.
        """
        manager = self._managers.get_kernel(kernel_id)
        await self._revive(kernel_id, manager)
        known = self._kernels.get(kernel_id)
        if known is not None and known.manager is manager and known.process == process_of(manager):
            return known
        await self.drop(kernel_id)
        client = manager.client(session=_own(manager.session))
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=self._ready_timeout)
        except RuntimeError as error:
            client.stop_channels()
            raise KernelUnavailableError("The kernel did not answer in time; try again, or restart it.") from error
        except BaseException:
            client.stop_channels()
            raise
        kernel = self._kernels[kernel_id] = Kernel(kernel_id, manager, client, Displays())
        return kernel

    async def _revive(self, kernel_id: str, manager: Any) -> None:
        """Wait for Jupyter's restarter; two restarts at once would leave a process behind."""
        deadline = time.monotonic() + (_RESTARTER_WITHIN if manager.autorestart else 0)
        while not await ensure_async(manager.is_alive()):
            if time.monotonic() >= deadline:
                await ensure_async(self._managers.restart_kernel(kernel_id))
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
