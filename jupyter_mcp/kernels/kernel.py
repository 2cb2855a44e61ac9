"""One kernel that we are connected to: what it says is checked and handed to the run that asked.

Any program can be a kernel. A message that can't be read is counted, told in the log and skipped; the readers outlive
everything but a socket that is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from typing import Any

import zmq
from jupyter_client import protocol_version_info  # type: ignore[attr-defined]  # public, but not marked so
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import DELIM
from jupyter_server.utils import ensure_async

from jupyter_mcp import metrics

from .checked_messages import BadMessageError, Heard, heard, parent_of
from .connection import disconnect
from .displays import Displays
from .execute_request import ExecuteRequest
from .fate import Fate
from .large_streams import in_parts
from .late_output import Ended, LateOutput
from .output_limit import RESERVE
from .output_tail import Frames
from .outputs import OutputSink

YIELD_EVERY = 0.005  # seconds a busy channel may keep the event loop
ASK_EVERY = 1.0  # seconds until a kernel that starts is asked again
_JOINED_WITHIN = 0.2  # seconds after the reply in which something comes on IOPub, once we are subscribed to it
_DROPPED = ("stream", "display_data")  # kinds that are not even decoded once a run's limit is reached
_LOGGED = 200  # characters of a reason in the log
_MOST_REQUESTS = 256  # that a kernel works on, of which it is known; any kernel may say anything
_DIGITS = 2  # of a protocol's major version that are read
_PARTS = 5  # after the delimiter: signature, header, parent header, metadata, content


class Kernel:
    """A connected kernel process."""

    def __init__(
        self, kernel_id: str, manager: Any, client: AsyncKernelClient, displays: Displays, log: Logger
    ) -> None:
        self.id = kernel_id
        self.manager = manager
        self.client = client
        self.process = process_of(manager)
        self.displays = displays
        self.runs: dict[str, ExecuteRequest] = {}
        self.ended = Ended()
        self.idle = asyncio.Event()
        self.idle.set()
        self._works_on: dict[str, None] = {}  # requests that it said it is busy with, the latest last
        self.heard = time.monotonic()
        self.foreign = False  # somebody else ran something on it
        self._log = log
        self._bad = 0
        self._probes: dict[
            str, list[ExecuteRequest]
        ] = {}  # questions, answered when the kernel is free, and the runs before
        self._answered = asyncio.Event()
        self._published = asyncio.Event()
        self._restarts: bool | None = None  # it said that it ends, and whether another will come
        self._revived = False  # Jupyter's restarter brought it back
        manager.add_restart_callback(self._on_revival, "restart")
        shell, iopub = client.shell_channel.socket, client.iopub_channel.socket
        self._readers = [
            asyncio.create_task(self._read(iopub, self._on_iopub_frames)),
            asyncio.create_task(self._read(shell, self._on_shell_frames)),
        ]

    @property
    def connected(self) -> bool:
        """Return whether both sockets are still read."""
        return not any(reader.done() for reader in self._readers)

    async def ready(self) -> None:
        """Wait until the kernel answers and its outputs reach us. Raises EOFError if its process ends before."""
        while True:
            self._answered.clear()
            self._published.clear()
            self._ask()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), ASK_EVERY)
                await asyncio.wait_for(self._published.wait(), _JOINED_WITHIN)
                return
            if not await self.is_alive():
                raise EOFError("The process ended.")

    def probe(self) -> None:
        """Ask the kernel something that it answers when all before is done: its idle may have been lost."""
        if not self._probes:
            self._ask()

    def execute(self, source: str, *, history: bool = True) -> str:
        """Send an execute request; return its id. Without `history` the kernel neither counts nor remembers it."""
        message_id: str = self.client.execute(source, allow_stdin=False, store_history=history)
        self._sent()
        return message_id

    def _ask(self) -> None:
        self._probes[self.client.kernel_info()] = list(self.runs.values())
        self._sent()

    def _sent(self) -> None:
        """Have the reader look whether something came.

        jupyter-client (8.10) sends through a second handle of the socket. Sending takes the signal that a message came,
        and the reader, which waits for that signal, would never look again: neither for it nor for any later one.
        """
        self.client.shell_channel.socket.get(zmq.EVENTS)

    async def _read(self, socket: Any, take: Callable[[Frames], None]) -> None:
        began = time.monotonic()
        while True:
            try:
                frames = await socket.recv_multipart(copy=False)
            except zmq.ZMQError as error:
                self._log.warning("The connection to kernel %s ended: %s", self.id, error)
                return
            self.heard = time.monotonic()
            try:
                take(frames)
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - a foreign program's bytes; Rust's panics are BaseExceptions
                self._skip(error)
            if time.monotonic() - began > YIELD_EVERY:
                await asyncio.sleep(0)  # messages that are there are received without a pause
                began = time.monotonic()

    def _skip(self, error: BaseException) -> None:
        self._bad += 1
        if str(self._bad).strip("0") == "1":  # the 1st, 10th, 100th …
            reason = f"{type(error).__name__}: {error}"[:_LOGGED]
            self._log.warning("Kernel %s sent what can't be read, skipped (%d so far): %s", self.id, self._bad, reason)

    def _deserialized(self, parts: Frames) -> Heard:
        return heard(self.client.session.deserialize(parts, copy=False))

    def _on_shell_frames(self, frames: Frames) -> None:
        """Hand a reply to the run that asked."""
        message = self._deserialized(_without_identities(frames))
        if message.parent in self._probes:
            self._on_answer(message)
        elif message.kind == "execute_reply" and (run := self.runs.get(message.parent)):
            run.on_reply(message.content)

    def _on_answer(self, message: Heard) -> None:
        before = self._probes[message.parent]
        self._probes.clear()
        self._adapt(message.content.get("protocol_version"))
        self._answered.set()
        self._works_on.clear()
        self.idle.set()
        for run in self.runs.values():
            if run in before:
                run.on_answer()

    def _adapt(self, version: Any) -> None:
        """Speak an older version of the protocol with a kernel that does."""
        major = str(version).split(".", 1)[0]
        if major.isascii() and major.isdigit() and int(major[:_DIGITS]) != protocol_version_info[0]:
            self.client.session.adapt_version = int(major[:_DIGITS])

    def _on_iopub_frames(self, frames: Frames) -> None:
        """Hand a message to the run that caused it.

        A kernel drops what is not read in time, so under a flood nothing may be slow: once a run's limit is
        reached, its outputs are not even decoded.
        """
        parts = _without_identities(frames)
        sink = self._sink_of(parent_of(self._peek(parts, 2)))
        if sink is None or not (sink.full or len(parts[4]) > sink.allowance.size):
            self._on_iopub(self._deserialized(parts))
            return
        kind = self._peek(parts, 1).get("msg_type")
        pieces = in_parts(parts, self.client.session, sink.allowance.size) if kind == "stream" else [parts]
        if len(pieces) > 1:
            metrics.DROPPED.inc(max(0, len(parts[4]) - sum(len(piece[4]) for piece in pieces)))
        for piece in pieces:
            if not (sink.full and kind in _DROPPED):
                self._on_iopub(self._deserialized(piece))
                continue
            metrics.DROPPED.inc(len(piece[4]))
            if isinstance(sink, OutputSink) and (kind == "stream" or len(piece[4]) <= RESERVE):
                sink.tail.add(piece)

    def _peek(self, parts: Frames, at: int) -> dict[str, Any]:
        """Return a header before its signature is checked. Raises BadMessageError."""
        found = self.client.session.unpack(parts[at].bytes)
        if not isinstance(found, dict):
            raise BadMessageError("a header that is no dictionary")
        return found

    def _sink_of(self, message_id: str) -> OutputSink | LateOutput | None:
        run = self.runs.get(message_id)
        return self.ended.get(message_id) if run is None else run.sink

    def _on_iopub(self, message: Heard) -> None:
        kind, content = message.kind, message.content
        run = self.runs.get(message.parent)
        self._published.set()
        if kind == "status":
            self._on_status(run, content["execution_state"], message.parent)
        elif kind == "shutdown_reply":
            self._restarts = content["restart"]
        elif kind == "execute_input":
            self.foreign = self.foreign or (run is None and self.ended.get(message.parent) is None)
        elif run is not None:
            if kind in ("error", "execute_result"):
                self.show_tail(run)  # what was dropped came before
            run.on_output(kind, content)
        elif (late := self.ended.get(message.parent)) is not None:
            late.take(kind, content)
        elif kind == "update_display_data":
            self.displays.update(content)

    def _on_status(self, run: ExecuteRequest | None, state: str, request: str) -> None:
        """Note what the kernel works on: what comes over its control channel ends while a cell goes on."""
        if state == "busy":
            self._works_on[request] = None
            if len(self._works_on) > _MOST_REQUESTS:
                del self._works_on[next(iter(self._works_on))]
            self.idle.clear()
        elif state == "idle":
            self._works_on.pop(request, None)
            if not self._works_on:
                self.idle.set()
        if run is not None:
            run.on_status(state)

    def show_tail(self, run: ExecuteRequest) -> None:
        """Show how an output that is over its limit ended."""
        if not isinstance(run.sink, OutputSink):
            return
        last: list[tuple[str, dict[str, Any]]] = []
        for held in run.sink.tail.take():
            if isinstance(held, tuple):
                last.append(held)
                continue
            try:
                message = self._deserialized(held)
            except Exception as error:  # noqa: BLE001 - as in _read
                self._skip(error)
            else:
                last.append((message.kind, message.content))
        run.sink.take_last(last)

    def _on_revival(self) -> None:
        self._revived = True

    async def interrupt(self) -> None:
        """Interrupt what runs; a kernel that can't be interrupted is told in the log."""
        try:
            await ensure_async(self.manager.interrupt_kernel())
        except Exception:  # noqa: BLE001 - any kernel provisioner may raise anything
            self._log.exception("Kernel %s can't be interrupted", self.id)

    async def is_alive(self) -> bool:
        """Return whether the process we are connected to still runs."""
        return process_of(self.manager) == self.process and bool(await ensure_async(self.manager.is_alive()))

    async def fate(self, managers: Any) -> Fate | None:
        """Return what became of the process, None while it runs."""
        if self.id in managers and await self.is_alive():
            return None
        if self._restarts is not None:
            return Fate.RESTARTED if self._restarts else Fate.SHUT_DOWN
        if self._revived:
            return Fate.DIED
        if self.id not in managers or getattr(self.manager, "shutting_down", False):
            return Fate.SHUT_DOWN
        return Fate.DIED if process_of(self.manager) == self.process else Fate.RESTARTED

    async def close(self) -> None:
        """Stop reading and close the sockets; the kernel itself goes on."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self.manager.remove_restart_callback(self._on_revival, "restart")
        self.ended.clear()
        disconnect(self.client)


def _without_identities(frames: Frames) -> Frames:
    """Return the parts after the delimiter. Raises BadMessageError."""
    for at, frame in enumerate(frames):
        if len(frame) == len(DELIM) and frame.bytes == DELIM:
            if len(frames) - at <= _PARTS:
                break
            return frames[at + 1 :]
    raise BadMessageError("no message of Jupyter's protocol")


def process_of(manager: Any) -> Any:
    """Identify the kernel's process: a restart keeps manager and kernel id."""
    provisioner = manager.provisioner
    return getattr(provisioner, "pid", None) or id(provisioner)
