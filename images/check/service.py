"""A running image, seen from outside: its processes, its services, and how it stops."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ResponseError, dumps, loads

from images.check.asking import Asker, NoAnswerError
from images.limits import plain
from images.oci.rooted import Root

SUPERVISOR_SOCKET = "/tmp/supervisor.sock"  # noqa: S108 - inside
START_S = 60
"""Seconds within which bubblewrap has made its namespaces."""
SUPERVISOR_S = 20
"""Seconds that supervisord has for its answer."""
_REPLY = 1 << 16
# What the part supervisord says under [unix_http_server]; one that asks for nobody's name takes it too.
_SUPERVISOR_USER = f"Basic {b64encode(b'local:local').decode()}"


@dataclass(frozen=True)
class Process:
    """A process of a running image."""

    pid: int
    """As seen from the host."""
    words: tuple[str, ...]
    """Its command line."""
    uid: int
    """As seen from inside the image."""


@dataclass
class Service:
    """A running image."""

    process: subprocess.Popen[bytes]
    uid: int
    watch: Callable[[], None] = lambda: None
    """Called while an answer is waited for; what it raises ends the waiting."""
    _asker: Asker | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait_started(self) -> None:
        """Wait until its first process is there, or it has ended, or long enough."""
        ends = time.monotonic() + START_S
        while self.running and not self.processes() and time.monotonic() < ends:
            time.sleep(0.01)

    def processes(self) -> list[Process]:
        """Return the processes of the image, the first of them its entrypoint."""
        everyone = [self.process.pid, *_descendants(self.process.pid)]
        sandbox = next((pid for pid in everyone if _name(pid) == "bwrap"), None)
        if sandbox is None:
            return []
        # A child of bubblewrap's is called bwrap until it becomes the entrypoint.
        found = (_process(pid) for pid in _descendants(sandbox) if _name(pid) != "bwrap")
        return [one for one in found if one is not None]

    def state_of(self, name: str) -> str:
        """Return what supervisord says of a service: ``RUNNING``, ``BACKOFF`` …, or why it says nothing."""
        inside = self.processes()
        if not inside:
            return "unknown: the image does not run"
        try:
            return plain(_state(inside[0].pid, name), 200)
        except Fault as error:
            return f"unknown: {plain(error.faultString, 200)}"
        except (OSError, HTTPException, ExpatError, ResponseError, ValueError, LookupError, TypeError) as error:
            return f"unknown: supervisord can't be asked: {plain(error, 200)}"

    def ask(self, question: dict[str, Any]) -> str | None:
        """Ask the image's server from inside its network; return what was found instead of a promise, or None."""
        try:
            if self._asker is None:
                inside = self.processes()
                if not inside:
                    return "the image does not run yet"
                self._asker = Asker(inside[0].pid)
            return self._asker.ask(question, self.watch)
        except (NoAnswerError, OSError) as error:
            self._forget()
            return plain(error, 200)

    @contextmanager
    def network(self) -> Iterator[int]:
        """Hold the descriptor of its network namespace.

        Raises:
            ProcessLookupError: it has none, since it does not run.

        """
        inside = self.processes()
        if not inside:
            raise ProcessLookupError(errno.ESRCH, "the image does not run")
        try:
            held = os.open(f"/proc/{inside[0].pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ProcessLookupError(errno.ESRCH, "the image does not run any more") from None
        try:
            yield held
        finally:
            os.close(held)

    def _forget(self) -> None:
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def stop(self, grace_s: float) -> float | None:
        """Send SIGTERM to its first process, and SIGKILL after `grace_s` seconds.

        Gives the seconds that it took to end by itself, or None where it had to be killed.
        """
        started = time.monotonic()
        self._forget()
        inside = self.processes()
        if inside and grace_s > 0:
            try:
                os.kill(inside[0].pid, signal.SIGTERM)
                self.process.wait(grace_s)
                return time.monotonic() - started
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        # The end of bubblewrap ends what it has started, but not what it is about to: its child first asks for that.
        started_by_it = list(_descendants(self.process.pid)) if self.running else []
        self.process.kill()
        for pid in started_by_it:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        return None


def _state(pid: int, name: str) -> str:
    """Ask the image's supervisord, over its own socket: never through a link to one of this host's."""
    with Root(f"/proc/{pid}/root") as root:
        handle = root.handle(SUPERVISOR_SOCKET)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        connection = HTTPConnection("supervisor")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(SUPERVISOR_S)
        # However slowly it answers.
        end = threading.Timer(SUPERVISOR_S, connection.sock.shutdown, [socket.SHUT_RDWR])
        try:
            connection.sock.connect(f"/proc/self/fd/{handle}")
            end.start()
            body = dumps((name,), "supervisor.getProcessInfo")
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", "Authorization": _SUPERVISOR_USER})
            (found,), _ = loads(connection.getresponse().read(_REPLY))
        finally:
            end.cancel()
            connection.close()
    finally:
        os.close(handle)
    values: Any = found
    return str(values["statename"])


def _descendants(pid: int) -> Iterator[int]:
    """Yield the process ids below `pid`, parents first (proc_pid_task(5))."""
    waiting = [pid]
    while waiting:
        parent = waiting.pop(0)
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in map(int, children):
            yield child
            waiting.append(child)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _process(pid: int) -> Process | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        mapping = Path(f"/proc/{pid}/uid_map").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended meanwhile
    outside = next(int(line.split()[2]) for line in status.splitlines() if line.startswith("Uid:"))
    return Process(pid, tuple(word for word in words if word), _inside(outside, mapping))


def _inside(outside: int, mapping: str) -> int:
    # user_namespaces(7): each line is the first id inside, the first outside as seen from us, and how many.
    for line in mapping.splitlines():
        first_inside, first_outside, count = map(int, line.split())
        if first_outside <= outside < first_outside + count:
            return first_inside + outside - first_outside
    return outside
