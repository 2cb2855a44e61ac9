"""Run an unpacked image without a container runtime: bubblewrap, rootless, and qemu for the other platform.

The root filesystem is read-only and the process has the image's uid inside a user namespace of its own, so a check
meets the image as a hardened deployment does.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from xmlrpc.client import Fault, ServerProxy, Transport

from env.errors import ToolMissingError
from env.platforms import Platform
from images.bubblewrap import way_out
from images.errors import EmulationError, SandboxError

SUPERVISOR_SOCKET = "/tmp/supervisor.sock"  # noqa: S108 - inside
BINFMT = "/proc/sys/fs/binfmt_misc"
# unshare(1) maps one user, or those of /etc/subuid. Root may map all that there are to themselves: user_namespaces(7)
# wants the map to be written once, by a process outside that has the right to it there.
_MAP_ALL = """
all() { while read -r inside outside count; do echo "$inside $inside $count"; done <"$1"; }
users=$(all /proc/self/uid_map) groups=$(all /proc/self/gid_map) here=$(readlink /proc/self/ns/user)
(
    while [ "$(readlink /proc/$$/ns/user)" = "$here" ]; do sleep 0.01; done
    printf '%s\\n' "$users" >/proc/$$/uid_map && printf '%s\\n' "$groups" >/proc/$$/gid_map || kill $$
) &
exec unshare --user sh -c 'while [ -z "$(cat /proc/self/gid_map)" ]; do sleep 0.01; done; exec "$@"' sh "$@"
"""
_ELF_HEAD = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
_ELF_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


@dataclass(frozen=True)
class Process:
    """A process of a running image."""

    pid: int
    """As seen from the host."""
    words: tuple[str, ...]
    """Its command line."""
    uid: int
    """As seen from inside the image."""


@dataclass(frozen=True)
class Sandbox:
    """An unpacked image that can be run; `config` is the ``config`` object of its configuration."""

    root: Path
    platform: Platform
    config: dict[str, Any]
    emulator: Path | None
    """A static qemu that runs the platform's programs, or None where this host does."""
    bubblewrap: tuple[str, ...]
    """The first words of bubblewrap's command line."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Host files to be seen read-only inside, by their path there: secrets, as an orchestrator mounts them."""
    mounts: Mapping[str, Path] = field(default_factory=dict)
    """Host folders and sockets mounted read-write, by their path there; one may stand for a volume."""
    user: tuple[int, int] | None = None
    """A uid and gid other than the image's: OpenShift gives each project its own. Where this process is root, the
    image is run by that user for real, emulated or not, so that owners and modes of files count."""
    writable_home: bool = True

    @property
    def uid(self) -> int:
        """The user that it runs as."""
        return self._ids[0]

    @property
    def _ids(self) -> tuple[int, int]:
        if self.user is not None:
            return self.user
        uid, _, gid = str(self.config["User"]).partition(":")
        return int(uid), int(gid or uid)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(line.split("=", 1) for line in self.config.get("Env", []))

    @property
    def volumes(self) -> tuple[str, ...]:
        """The paths of its volumes, inside."""
        return tuple(self.config.get("Volumes", {}))

    def on_host(self, path: str) -> Path:
        """Give where the host has a path of the image."""
        return self.root / path.lstrip("/")

    def command(self, arguments: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Give the host's command that runs `arguments` inside."""
        uid, gid = map(str, self._ids)
        command = [*self.bubblewrap, "--unshare-user", "--uid", uid, "--gid", gid]
        command += ["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
        command += ["--new-session", "--bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        command += ["--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/var/tmp"]  # noqa: S108 - inside
        homes = [self.environment.get("HOME", "/")] if self.writable_home else []
        own = {path: self.on_host(path) for path in (*homes, *self.volumes)}
        for inside, outside in sorted({**own, **self.mounts}.items()):
            command += ["--bind", str(outside), inside]
        for inside, outside in sorted(self.files.items()):
            command += ["--ro-bind", str(outside), inside]
        # Last, so that the mount points above could be made.
        command += ["--remount-ro", "/", "--chdir", self.config.get("WorkingDir") or "/", "--clearenv"]
        for name, value in {**self.environment, **env}.items():
            command += ["--setenv", name, value]
        return self._emulated([*self._as_user(), *command, "--", *arguments])

    @property
    def _is_itself(self) -> bool:
        """Whether the image's user is, outside, whoever runs this."""
        return self.user is None or os.geteuid() != 0

    def _as_user(self) -> list[str]:
        if self._is_itself:
            return []
        uid, gid = map(str, self._ids)
        changed = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs"]
        return [*changed, "--inh-caps=-all", "--bounding-set=-all"]

    def _emulated(self, command: list[str]) -> list[str]:
        if self.emulator is None:
            return command
        # A user namespace has binfmt_misc entries of its own (Linux 6.7), so the host stays as it is. With the flag F
        # the kernel opens the emulator here, where its path still means something.
        machine = rf"{_ELF_HEAD}\x{self.platform.elf_machine:02x}\x00"
        entry = f":{self.emulator.name}:M::{machine}:{_ELF_MASK}:{self.emulator}:F"
        script = f"mount -t binfmt_misc none {BINFMT} && printf %s {shlex.quote(entry)} >{BINFMT}/register || exit 125"
        users = ["unshare", "--user", "--map-root-user"] if self._is_itself else ["sh", "-c", _MAP_ALL, "sh", "unshare"]
        namespaces = [*users, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*namespaces, "sh", "-c", f'{script}; exec "$@"', "sh", *command]

    def run(
        self, arguments: Sequence[str], timeout_s: float, env: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with the image's variables and those of `env`.

        Raises:
            ToolMissingError, SandboxError, EmulationError: this host can't run it.
            subprocess.TimeoutExpired: it did not end within `timeout_s` seconds.

        """
        command = self.command(arguments, env)
        self._require()
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=timeout_s)
        self._refuse_broken_sandbox(done.returncode, done.stderr)
        return done

    def _require(self) -> None:
        if self.emulator is not None and shutil.which("unshare") is None:
            raise ToolMissingError("unshare", "install it with `apt-get install util-linux`")

    def _refuse_broken_sandbox(self, code: int, stderr: str) -> None:
        last = stderr.strip().rpartition("\n")[2]
        if code and self.emulator is not None and (code == 125 or last.startswith("unshare: ")):  # noqa: PLR2004 - ours
            raise EmulationError(self.platform, last)
        if code and last.startswith("bwrap: "):
            raise SandboxError(last.removeprefix("bwrap: "), way_out())

    def probe(self) -> None:
        """Make sure that this host can run the image at all.

        Raises:
            ToolMissingError, SandboxError, EmulationError: it can't, and why.

        """
        done = self.run(["/bin/sh", "-c", "exit 0"], timeout_s=60)
        if done.returncode:
            raise SandboxError(done.stderr.strip() or f"a shell ends with {done.returncode}", way_out())

    @contextmanager
    def service(self, env: Mapping[str, str], log: IO[bytes]) -> Iterator[Service]:
        """Start what the image starts, its output into `log`; it is stopped at the end as a container runtime does."""
        arguments = [*self.config.get("Entrypoint", []), *self.config.get("Cmd", [])]
        command = self.command(arguments, env)
        self._require()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        service = Service(process, self.uid)
        try:
            yield service
        finally:
            service.stop(0)


class _Local(Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = HTTPConnection(str(host))
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self._address)
        except OSError:
            connection.close()
            raise
        return connection


@dataclass
class Service:
    """A running image."""

    process: subprocess.Popen[bytes]
    uid: int

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def processes(self) -> list[Process]:
        """Give the processes of the image, the first of them its entrypoint."""
        everyone = [self.process.pid, *_descendants(self.process.pid)]
        sandbox = next((pid for pid in everyone if _name(pid) == "bwrap"), None)
        if sandbox is None:
            return []
        # A child of bubblewrap's is called bwrap until it becomes the entrypoint.
        found = (_process(pid) for pid in _descendants(sandbox) if _name(pid) != "bwrap")
        return [one for one in found if one is not None]

    def state_of(self, name: str) -> str:
        """Give what supervisord says of a service: ``RUNNING``, ``BACKOFF`` …, or why it says nothing."""
        inside = self.processes()
        # The socket is the image's own, seen through the first process's root.
        address = f"/proc/{inside[0].pid}/root{SUPERVISOR_SOCKET}" if inside else ""
        try:
            with ServerProxy("http://supervisor", transport=_Local(address)) as supervisor:
                found: Any = supervisor.supervisor.getProcessInfo(name)
        except OSError as error:
            return f"unknown: supervisord can't be asked: {error}"
        except Fault as error:
            return f"unknown: {error.faultString}"
        return str(found["statename"])

    def stop(self, grace_s: float) -> float | None:
        """Send SIGTERM to its first process, and SIGKILL after `grace_s` seconds.

        Gives the seconds that it took to end by itself, or None where it had to be killed.
        """
        started = time.monotonic()
        inside = self.processes()
        if inside and grace_s > 0:
            try:
                os.kill(inside[0].pid, signal.SIGTERM)
                self.process.wait(grace_s)
                return time.monotonic() - started
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        if self.running:
            # bubblewrap's and unshare's processes take the whole namespace with them.
            self.process.kill()
        self.process.wait()
        return None


def _descendants(pid: int) -> Iterator[int]:
    """Give the process ids below `pid`, parents first (proc_pid_task(5))."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


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
