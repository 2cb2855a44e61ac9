"""A kernel that does as its script says, over real ZeroMQ sockets, and what Jupyter keeps around a kernel.

The script is a coroutine function that is called with the kernel at each execute request; without one the kernel says
busy, prints nothing, replies and says idle. What it sends may be of any shape.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import DELIM, Session

Script = Callable[["FakeKernel"], Awaitable[None]]
KEY = b"secret"
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_pids = itertools.count(1_000_000)


class FakeKernel:
    """The kernel's side of the sockets; `code` and `parent` are of the request that is answered."""

    def __init__(self) -> None:
        self.session = Session(key=KEY)
        self.script: Script | None = None
        self.answers_info = True
        self.code = ""
        self.content: dict[str, Any] = {}  # of the last execute request
        self.asked: list[str] = []  # types of the requests that came
        self.parent: dict[str, Any] = {}
        self._identity: list[bytes] = []
        self._context = zmq.asyncio.Context()
        self._sockets = {name: self._context.socket(kind) for name, kind in _KINDS.items()}
        self.ports = {name: socket.bind_to_random_port("tcp://127.0.0.1") for name, socket in self._sockets.items()}
        self._serving = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        shell = self._sockets["shell_port"]
        while True:
            frames = await shell.recv_multipart()
            self._identity, parts = self.session.feed_identities(frames)
            message = self.session.deserialize(parts)
            kind, self.parent = message["msg_type"], message["header"]
            self.asked.append(kind)
            if kind == "kernel_info_request" and self.answers_info:
                self.status("busy")
                self.reply(kind="kernel_info_reply", protocol_version="5.3", status="ok")
                self.status("idle")
            elif kind == "execute_request":
                self.content = message["content"]
                self.code = self.content["code"]
                await (self.script or plain)(self)

    def publish(self, kind: str, content: Any, **parts: Any) -> None:
        """Send a message on IOPub; `parts` replace header, parent_header, metadata or signature."""
        self._send("iopub_port", [kind.encode()], kind, content, parts)

    def reply(self, kind: str = "execute_reply", **content: Any) -> None:
        """Answer the request on the shell channel."""
        parts = content.pop("parts", {})
        self._send("shell_port", self._identity, kind, content, parts)

    def raw(self, *frames: bytes) -> None:
        """Send bytes on IOPub."""
        self._send_now("iopub_port", frames)

    def raw_reply(self, *frames: bytes) -> None:
        """Send bytes on the shell channel."""
        self._send_now("shell_port", [*self._identity, *frames])

    def status(self, state: str) -> None:
        self.publish("status", {"execution_state": state})

    def stream(self, text: str, name: str = "stdout") -> None:
        self.publish("stream", {"name": name, "text": text})

    def display(self, data: Any, display_id: str | None = None, kind: str = "display_data") -> None:
        transient = {"display_id": display_id} if display_id else {}
        self.publish(kind, {"data": data, "metadata": {}, "transient": transient})

    def done(self, **content: Any) -> None:
        """Reply that all went well, and say idle."""
        self.reply(status="ok", execution_count=content.pop("execution_count", 1), **content)
        self.status("idle")

    def _send(self, port: str, prefix: list[bytes], kind: str, content: Any, parts: dict[str, Any]) -> None:
        header = parts.get("header", self.session.msg_header(kind))
        dumped = [
            part if isinstance(part, bytes) else json.dumps(part, default=str).encode()
            for part in (header, parts.get("parent_header", self.parent), parts.get("metadata", {}), content)
        ]
        signature = parts.get("signature", self.session.sign(dumped))
        self._send_now(port, [*prefix, DELIM, signature, *dumped])

    def _send_now(self, port: str, frames: Sequence[bytes]) -> None:
        """Send in order, without an await: a script may be cut off at any."""
        zmq.Socket.shadow(self._sockets[port].underlying).send_multipart(frames)
        self._sockets[port].get(zmq.EVENTS)  # sending may have taken the signal that a request came

    async def stop(self) -> None:
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._context.destroy(linger=0)


_KINDS = {"shell_port": zmq.ROUTER, "iopub_port": zmq.PUB, "stdin_port": zmq.ROUTER}
_KINDS |= {"control_port": zmq.ROUTER, "hb_port": zmq.REP}


async def plain(kernel: FakeKernel) -> None:
    """Run a cell that prints its own source."""
    kernel.status("busy")
    kernel.stream(kernel.code)
    kernel.done()


def held(go: asyncio.Event) -> Script:
    """Return a kernel's script that prints, waits and prints again."""

    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.stream("first ")
        await go.wait()
        kernel.stream("last")
        kernel.done(execution_count=3)

    return script


class FakeManager:
    """Jupyter's manager of one kernel."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel
        self.session = Session(key=KEY)
        self.provisioner = SimpleNamespace(pid=next(_pids))
        self.autorestart = False
        self.shutting_down = False
        self.alive = True
        self.execution_state = "idle"
        self.kernel_name = "python3"
        self.kernel_spec: Any = None
        self.interrupts = 0
        self.on_interrupt: Callable[[], None] = lambda: None
        self.callbacks: list[Callable[[], None]] = []

    def client(self, **options: Any) -> AsyncKernelClient:
        return AsyncKernelClient(transport="tcp", ip="127.0.0.1", **options, **self.kernel.ports)

    async def is_alive(self) -> bool:
        return self.alive

    async def interrupt_kernel(self) -> None:
        self.interrupts += 1
        self.on_interrupt()

    def add_restart_callback(self, callback: Callable[[], None], _: str) -> None:
        self.callbacks.append(callback)

    def remove_restart_callback(self, callback: Callable[[], None], _: str) -> None:
        self.callbacks.remove(callback)

    def new_process(self) -> None:
        """Be another process, as after a restart."""
        self.provisioner.pid = next(_pids)
        self.alive = True


class FakeManagers(dict[str, FakeManager]):
    """Jupyter's multi-kernel manager: `restart_kernel` brings a process back, or raises `fails`."""

    fails: Exception | None = None
    default_kernel_name = "python3"
    before_a_restart: Callable[[], Awaitable[None]] | None = None

    def list_kernel_ids(self) -> list[str]:
        return list(self)

    def get_kernel(self, kernel_id: str) -> FakeManager:
        return self[kernel_id]

    async def restart_kernel(self, kernel_id: str) -> None:
        if self.before_a_restart is not None:
            await self.before_a_restart()
        if self.fails is not None:
            raise self.fails
        self[kernel_id].new_process()

    async def shutdown_kernel(self, kernel_id: str) -> None:
        del self[kernel_id]


class FakeSessions:
    """Jupyter's session manager: `make` starts the kernel of a new session and returns its id, or raises."""

    def __init__(self, managers: FakeManagers) -> None:
        self.managers = managers
        self.sessions: dict[str, dict[str, Any]] = {}
        self.make: Callable[[str | None], Awaitable[str]] | None = None

    async def list_sessions(self) -> list[dict[str, Any]]:
        return [one for one in self.sessions.values() if one["kernel"]["id"] in self.managers]

    def note(self, path: str, kernel_id: str, **more: Any) -> dict[str, Any]:
        """Have a session of a notebook."""
        session: dict[str, Any] = {"id": f"s{len(self.sessions)}", "path": path, "name": path, "type": "notebook"}
        session["kernel"] = {"id": kernel_id, "connections": 0, **more}
        self.sessions[str(session["id"])] = session
        return session

    async def create_session(self, path: str, kernel_name: str | None, **_: str) -> dict[str, Any]:
        assert self.make is not None
        return self.note(path, await self.make(kernel_name))

    async def start_kernel_for_session(self, _: str, kernel_name: str | None, **__: Any) -> str:
        assert self.make is not None
        return await self.make(kernel_name)

    async def update_session(self, session_id: str, kernel_id: str | None = None, **changes: Any) -> None:
        session = self.sessions[session_id]
        session.update(changes)
        if kernel_id is not None:
            session["kernel"] = {**session["kernel"], "id": kernel_id, "name": self.managers[kernel_id].kernel_name}

    async def delete_session(self, session_id: str) -> None:
        self.managers.pop(self.sessions.pop(session_id)["kernel"]["id"], None)


class FakeSpecs:
    """Jupyter's kernel specs."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def get_all_specs(self) -> dict[str, Any]:
        return {name: {"spec": {"argv": ["x"], "display_name": name}} for name in self.names}


async def never_ends(kernel: FakeKernel) -> None:
    """Run a cell that prints and goes on; a script for `FakeKernel`."""
    kernel.status("busy")
    kernel.stream("on")


def obeys(kernel: FakeKernel) -> None:
    """End the cell that runs, as a kernel does that is interrupted."""
    error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    kernel.publish("error", error)
    kernel.reply(status="error", execution_count=1, **error)
    kernel.status("idle")
