"""Run an unpacked image without a container runtime: bubblewrap, rootless, and qemu for the other platform.

The root filesystem is read-only and the process has the image's uid inside a user namespace of its own, so a check
meets the image as a hardened deployment does. The image may be anyone's: it reaches no network, no file of this host
but those that are given to it, and writes into its own unpacked copy alone. What bubblewrap mounts is placed by this
module: bubblewrap itself follows an image's links, out of it too, to where a mount point belongs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from env.errors import ToolMissingError
from env.platforms import Platform
from images.check.asking import beside
from images.check.bounded import pumped, run_bounded
from images.check.bubblewrap import way_out
from images.check.mounts import placed
from images.check.run_config import identity, run_config
from images.check.service import Service
from images.errors import EmulationError, NoSpaceError, SandboxError
from images.limits import FREE, LOG, OUTPUT, plain
from images.oci.rooted import Root

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
_OWN_FAULT = "its maker can put that right"
_FILE_BYTES = 8 << 30
# No file larger than any that a check makes (ulimit counts in 512 bytes), and no core file of this host's.
_LIMITED = ("sh", "-c", f'ulimit -c 0; ulimit -f {_FILE_BYTES // 512}; exec "$@"', "sh")
_ELF_HEAD = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
_ELF_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


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

    network: bool = False
    """Whether it has this host's network; else it has one of its own, where nobody else is."""

    @property
    def uid(self) -> int:
        """The user that it runs as."""
        return self._ids[0]

    @cached_property
    def _run(self) -> dict[str, Any]:
        return run_config(self.config, self.root)

    @cached_property
    def _identity(self) -> tuple[int, int, str]:
        with Root(self.root) as root:
            return identity(self._run["User"], root, self.root)

    @property
    def _ids(self) -> tuple[int, int]:
        return self.user if self.user is not None else self._identity[:2]

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets, and HOME."""
        variables = dict(line.split("=", 1) for line in self._run["Env"])
        return variables if variables.get("HOME") else {**variables, "HOME": self._identity[2]}

    @property
    def volumes(self) -> tuple[str, ...]:
        """The paths of its volumes, inside."""
        return tuple(self._run["Volumes"])

    @property
    def program(self) -> list[str]:
        """What the image starts: its entrypoint and command."""
        return [*self._run["Entrypoint"], *self._run["Cmd"]]

    def command(self, arguments: Sequence[str], env: Mapping[str, str], *, shared: bool = False) -> list[str]:
        """Return the host's command that runs `arguments` inside.

        Raises:
            SandboxError: the image leaves no place for what belongs into it.

        """
        uid, gid = map(str, self._ids)
        command = [*self.bubblewrap, "--unshare-user", "--uid", uid, "--gid", gid]
        command += ["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        command += ["--die-with-parent", "--new-session"]
        if not self.network:
            command += ["--hostname", "localhost", *(() if shared else ("--unshare-net",))]
        homes = [self.environment["HOME"]] if self.writable_home else []
        try:
            command += placed(self.root, homes, self.volumes, self.mounts, self.files, self._run["WorkingDir"])
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            told = f"its folders leave no place for what belongs there: {plain(reason)}"
            raise SandboxError(told, _OWN_FAULT) from None
        command += ["--chdir", self._run["WorkingDir"], "--clearenv"]
        for name, value in {**self.environment, **env}.items():
            command += ["--setenv", name, value]
        return [*_LIMITED, *self._emulated([*self._as_user(), *command, "--", *arguments])]

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
        self,
        arguments: Sequence[str],
        timeout_s: float,
        env: Mapping[str, str] = MappingProxyType({}),
        service: Service | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with the image's variables and those of `env`, in the network of a `service`.

        Raises:
            ToolMissingError, SandboxError, EmulationError: this host can't run it.
            ProcessLookupError: the service has ended.
            subprocess.TimeoutExpired: it did not end within `timeout_s` seconds.

        """
        self._require()
        try:
            with nullcontext() if service is None or self.network else service.network() as network:
                command, held = self.command(arguments, env, shared=network is not None), [network or 0]
                if network is not None:
                    command = beside(network, command)
                done = run_bounded(command, timeout_s, OUTPUT, self.require_space, held if network else ())
        except ProcessLookupError:
            raise  # the service's
        except OSError as error:
            raise SandboxError(f"it can't be started: {error.strerror}", _OWN_FAULT) from None
        self._refuse_broken_sandbox(done.returncode, done.stderr)
        return done

    def _require(self) -> None:
        if self.emulator is not None and shutil.which("unshare") is None:
            raise ToolMissingError("unshare", "install it with `apt-get install util-linux`")

    def _refuse_broken_sandbox(self, code: int, stderr: str) -> None:
        last = plain(stderr.strip().rpartition("\n")[2])
        if code and self.emulator is not None and (code == 125 or last.startswith("unshare: ")):  # noqa: PLR2004 - ours
            raise EmulationError(self.platform, last)
        # A program that is not there is the image's fault, and the end of one check alone.
        if code and last.startswith("bwrap: ") and not last.startswith("bwrap: execvp "):
            raise SandboxError(last.removeprefix("bwrap: "), way_out())

    def probe(self) -> None:
        """Make sure that this host can run the image at all.

        Raises:
            ToolMissingError, SandboxError, EmulationError: it can't, and why.

        """
        self._require()
        # Of this host: an image needs no shell.
        command = [*self.bubblewrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/"]
        true = shutil.which("true") or "/bin/true"
        done = run_bounded(self._emulated([*command, "--proc", "/proc", "--", true]), 60, OUTPUT, lambda: None)
        self._refuse_broken_sandbox(done.returncode, done.stderr)
        if done.returncode:
            raise SandboxError(plain(done.stderr.strip()) or f"a program ends with {done.returncode}", way_out())

    def require_space(self) -> None:
        """See that the image has not filled the disk.

        Raises:
            NoSpaceError: it has.

        """
        free = os.statvfs(self.root)
        if free.f_bavail * free.f_frsize < FREE // 2:
            raise NoSpaceError(self.root)

    @contextmanager
    def service(self, env: Mapping[str, str], log: IO[bytes]) -> Iterator[Service]:
        """Start what the image starts, its output into `log`; it is stopped at the end as a container runtime does."""
        command = self.command(self.program, env)
        self._require()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SandboxError(f"it can't be started: {error.strerror}", _OWN_FAULT) from None
        assert process.stdout is not None  # noqa: S101 - a pipe, see above
        reader = pumped(process.stdout, log, LOG)
        service = Service(process, self.uid, self.require_space)
        try:
            service.wait_started()
            yield service
        finally:
            service.stop(0)
            reader.join()
            process.stdout.close()
