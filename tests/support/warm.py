"""Programs that begin with their imports done: forked from a process that has imported what they import.

A Jupyter server takes three seconds of a processor to start, a command on images up to two, and nearly all of that are
imports; a run of the tests starts hundreds. Run as a program, this is the process that waits to be forked. What is
forked is a process group of its own, with the arguments, environment, folder and outputs that it was asked for, as if
it had been started; only what a module reads while it is imported, it does not read again. Tests of a start start
theirs cold.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any


class Forked:
    """One forked program: what tests use of a `subprocess.Popen`. It does not outlive who asked for it."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("r")
        self._connection = connection
        self.pid: int = json.loads(self._lines.readline())["pid"]
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = json.loads(self._lines.readline())["code"]
            self._lines.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Warm:
    """A process that has imported these modules, and is forked for each program."""

    def __init__(self, *modules: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._address = f"{self._folder.name}/socket"
        # -P: this file's folder is not where modules are looked for.
        words = [*prefix, sys.executable, "-P", __file__, self._address, *modules]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        with self._process.stdout as said:
            ready = said.readline() == b"ready\n"
        if not ready:
            raise RuntimeError("the warm process ended while it imported")

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[bytes],
        stderr: IO[bytes],
        umask: int = 0o022,
    ) -> Forked:
        """Begin `python -m module arguments`."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        asked = {"argv": [module, *arguments], "env": dict(env), "cwd": str(cwd), "umask": umask}
        socket.send_fds(connection, [b"."], [stdout.fileno(), stderr.fileno()])
        connection.sendall(json.dumps(asked).encode() + b"\n")
        return Forked(connection)

    def run(
        self, module: str, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, umask: int = 0o022
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m module arguments` to its end; return what it printed."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            settings = {"env": env, "cwd": cwd, "umask": umask}
            code = self.start(module, arguments, stdout=stdout, stderr=stderr, **settings).wait()
            said = [(file.seek(0), file.read().decode())[1] for file in (stdout, stderr)]
        return subprocess.CompletedProcess([module, *arguments], code, *said)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._folder.cleanup()


def _serve(address: str) -> dict[str, Any]:
    """Fork for each that connects; return, in the fork, what it asked for."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - to who started it
    while True:
        if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
            os._exit(0)  # who started it is gone
        connection = listener.accept()[0]
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            outputs = socket.recv_fds(connection, 1, 2)[1]
            asked: dict[str, Any] = {"outputs": outputs, **json.loads(connection.makefile("r").readline())}
            program = os.fork()
            if program == 0:
                connection.close()
                return asked
            _watch(program, connection)
        connection.close()


def _watch(program: int, connection: socket.socket) -> None:
    """Say how the program ends; end it when nobody is there to hear that."""
    connection.sendall(json.dumps({"pid": program}).encode() + b"\n")
    ended = os.pidfd_open(program)
    if connection in select.select([ended, connection], [], [])[0]:
        try:
            os.killpg(program, signal.SIGKILL)
        except ProcessLookupError:  # it has no group of its own yet
            os.kill(program, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps({"code": code}).encode() + b"\n")
    os._exit(0)


def _become(asked: dict[str, Any]) -> None:
    os.setsid()
    for number, source in enumerate((os.open(os.devnull, os.O_RDONLY), *asked["outputs"])):
        os.dup2(source, number)
        os.close(source)
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["argv"]
    sys.path[:0] = [asked["cwd"], *filter(None, asked["env"].get("PYTHONPATH", "").split(":"))]


if __name__ == "__main__":
    for _name in sys.argv[2:]:
        import_module(_name)
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - a count
        sys.exit("what was imported has begun threads: it can't be forked")
    _become(_serve(sys.argv[1]))
    # The last statement, so that it ends as a program does.
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
