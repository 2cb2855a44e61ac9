"""Running cells on the notebook's own kernel: one client and one queue per kernel."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from logging import Logger
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_server.utils import ensure_async

from .errors import ExecutionTimeoutError, KernelUnavailableError
from .outputs import OutputSink

ALIVE_EVERY = 0.5  # seconds between looks at a kernel's process while a cell runs


@dataclass
class Kernel:
    """A connected kernel; `queue` lets one run in at a time, in the order of the calls."""

    id: str
    manager: Any
    client: AsyncKernelClient
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    runs: dict[str, asyncio.Queue[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, channel: str, log: Logger) -> None:
        """Hand every message of a channel to the run that caused it."""
        while True:
            try:
                if channel == "iopub":
                    message = await self.client.get_iopub_msg(timeout=None)
                else:
                    message = await self.client.get_shell_msg(timeout=None)
            except Empty:
                continue
            run = self.runs.get(message["parent_header"].get("msg_id", ""))
            if run is not None:
                kind = message["msg_type"] if channel == "iopub" else "reply"
                run.put_nowait((kind, message["content"]))
            log.debug("kernel %s: %s %s", self.id, channel, message["msg_type"])

    def close(self) -> None:
        """Stop reading and close the sockets; the kernel itself goes on."""
        for reader in self.readers:
            reader.cancel()
        self.client.stop_channels()


class Kernels:
    """The kernels of notebooks, found through Jupyter's own session manager."""

    def __init__(self, settings: dict[str, Any], log: Logger, *, ready_timeout: float, grace: float) -> None:
        self._sessions = settings["session_manager"]
        self._managers = settings["kernel_manager"]
        self._log = log
        self._ready_timeout = ready_timeout
        self._grace = grace
        self._kernels: dict[str, Kernel] = {}
        self._connecting: dict[str, asyncio.Lock] = {}

    async def of(self, path: str, kernel_name: str | None) -> Kernel:
        """Give the kernel of the notebook's session; starts a session if there is none.

        Raises KernelUnavailableError when it is not ready within `ready_timeout` seconds.
        """
        async with self._connecting.setdefault(path, asyncio.Lock()):
            kernel_id = await self._session_kernel(path)
            if kernel_id is None:
                try:
                    model = await self._sessions.create_session(
                        path=path,
                        name=path.rsplit("/", 1)[-1],
                        type="notebook",
                        kernel_name=kernel_name or None,
                    )
                except Exception as error:  # boundary: any kernel provisioner may raise anything
                    self._log.error("No kernel for %s", path, exc_info=error)
                    raise KernelUnavailableError(
                        f"The kernel {kernel_name!r} did not start ({type(error).__name__}); "
                        "check the notebook's kernelspec."
                    ) from error
                kernel_id = model["kernel"]["id"]
            return await self._connect(kernel_id)

    async def _session_kernel(self, path: str) -> str | None:
        for session in await ensure_async(self._sessions.list_sessions()):
            if session["path"] == path and session["type"] == "notebook" and session["kernel"]:
                return str(session["kernel"]["id"])
        return None

    async def _connect(self, kernel_id: str) -> Kernel:
        manager = self._managers.get_kernel(kernel_id)
        known = self._kernels.get(kernel_id)
        if not await ensure_async(manager.is_alive()):
            self._drop(kernel_id)
            known = None
            await ensure_async(self._managers.restart_kernel(kernel_id))
        if known is not None and known.manager is manager:
            return known
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=self._ready_timeout)
        except RuntimeError as error:
            client.stop_channels()
            raise KernelUnavailableError("The kernel did not answer in time; try again, or restart it.") from error
        kernel = Kernel(kernel_id, manager, client)
        kernel.readers = [asyncio.create_task(kernel.read(name, self._log)) for name in ("iopub", "shell")]
        self._kernels[kernel_id] = kernel
        return kernel

    def _drop(self, kernel_id: str) -> None:
        if kernel := self._kernels.pop(kernel_id, None):
            kernel.close()

    async def run(
        self,
        kernel: Kernel,
        source: str,
        sink: OutputSink,
        seconds: float | None,
        gone: asyncio.Event,
    ) -> None:
        """Run `source`, its outputs into `sink`, at most `seconds` seconds once it is its turn.

        Timeout, cancellation and a vanished client interrupt the kernel. Raises
        ExecutionTimeoutError or KernelUnavailableError.
        """
        async with kernel.queue:
            inbox: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
            sink.begin()
            message_id = kernel.client.execute(source, allow_stdin=False)
            kernel.runs[message_id] = inbox
            count: int | None = None
            try:
                count = await self._follow(kernel, inbox, sink, seconds, gone)
            except asyncio.CancelledError:
                await asyncio.shield(self._interrupt(kernel, inbox))
                raise
            except ExecutionTimeoutError as error:
                sink.fail("Timeout", str(error))
                await self._interrupt(kernel, inbox)
                raise
            except KernelUnavailableError as error:
                sink.fail("DeadKernel", str(error))
                self._drop(kernel.id)
                raise
            finally:
                kernel.runs.pop(message_id, None)
                sink.end(count)

    async def _follow(
        self,
        kernel: Kernel,
        inbox: asyncio.Queue[tuple[str, dict[str, Any]]],
        sink: OutputSink,
        seconds: float | None,
        gone: asyncio.Event,
    ) -> int | None:
        deadline = None if seconds is None else time.monotonic() + seconds
        idle, replied, count = False, False, None
        provisioner = kernel.manager.provisioner  # replaced processes mean a restart
        pid = getattr(provisioner, "pid", None)
        while not (idle and replied):
            wait = ALIVE_EVERY
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
                if wait <= 0:
                    raise ExecutionTimeoutError(
                        f"The cell ran over {seconds:g} s and was interrupted; raise `timeout`."
                    )
            try:
                kind, content = await asyncio.wait_for(inbox.get(), wait)
            except TimeoutError:
                if gone.is_set():
                    raise ExecutionTimeoutError("The client left; the cell was interrupted.") from None
                alive = await ensure_async(kernel.manager.is_alive())
                if not alive or getattr(kernel.manager.provisioner, "pid", None) != pid:
                    raise KernelUnavailableError(
                        "The kernel died while the cell ran; its variables are gone. "
                        "Run again: the next call gets a fresh kernel."
                    ) from None
                continue
            if kind == "reply":
                replied, count = True, content.get("execution_count")
            elif kind == "status":
                idle = idle or content["execution_state"] == "idle"
            else:
                sink.take(kind, content)
        return count

    async def _interrupt(self, kernel: Kernel, inbox: asyncio.Queue[tuple[str, dict[str, Any]]]) -> None:
        """Interrupt and wait up to `grace` seconds for idle, so that the next run starts clean."""
        await ensure_async(kernel.manager.interrupt_kernel())
        deadline = time.monotonic() + self._grace
        while (left := deadline - time.monotonic()) > 0:
            try:
                kind, content = await asyncio.wait_for(inbox.get(), left)
            except TimeoutError:
                return
            if kind == "status" and content["execution_state"] == "idle":
                return

    def close(self) -> None:
        """Disconnect from every kernel; Jupyter decides whether they go on."""
        for kernel_id in list(self._kernels):
            self._drop(kernel_id)
