"""The environments of the sessions: one for each set of locks, shared, kept, never changed under a running program.

An environment's folder is named after the content of its locks, so a changed lock makes a new one beside the old; what
has no locks (door/bounds.py) is named after what it is resolved from. Its stamp is written last: one without
a stamp is half-made, and made again. Whoever runs from an environment holds a shared lock on it, and so do the programs
that it starts; only one that nobody holds gets another wheel, or is deleted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from door.errors import EnvironmentMakingError
from env.project import source_hashes

ROOT = Path(__file__).parent.parent
KEPT_DAYS = 14
"""How long an environment of other locks is kept after its last use."""
_LOCKS_STAMP, _PROJECT_STAMP = "made-from-locks", "made-from-sources"
_SECONDS_A_DAY = 86_400
# Where nox runs without ./noxw, uv may be elsewhere than beside it.
_PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
UV = shutil.which("uv", path=_PATH)
"""The uv that makes environments and finds interpreters; ./noxw brings it. None where there is none."""


@dataclass(frozen=True)
class Kind:
    """A set of locks."""

    name: str
    locks: tuple[str, ...]
    """Files of env/locks/; none where packages are resolved when the environment is made."""
    resolve: Callable[[Path], Iterable[Sequence[str]]] | None = None
    """Give, for the environment's folder, the arguments of each `uv pip install` that resolves its packages."""
    dated: bool = False
    """Whether what is resolved one day is not what another day's would be."""


TOOLS = Kind("tools", ("tools.txt",))
LAB = Kind("lab", ("lab.txt", "tools.txt"))
DOCS = Kind("docs", ("tools.txt", "docs.txt"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is ready, and stays as it is while this is held."""

    path: Path
    handle: int
    """The file descriptor of its lock: who inherits it holds the environment too."""

    def variables(self) -> dict[str, str]:
        """Return the process environment that a program of this virtual environment is started with."""
        known = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        path = os.pathsep.join((str(self.path / "bin"), os.environ.get("PATH", os.defpath)))
        return known | {"PATH": path, "VIRTUAL_ENV": str(self.path)}


@dataclass(frozen=True)
class Environments:
    """All environments of a checkout."""

    root: Path = ROOT
    python: str = field(default_factory=lambda: sys.executable)
    """The interpreter that they are made of."""
    uv: str | None = UV

    @property
    def home(self) -> Path:
        """The folder that they are in."""
        return self.root / ".nox" / "shared"

    @contextmanager
    def ready(self, kind: Kind, *, project: bool = False) -> Iterator[Environment]:
        """Hold an environment of these locks, with the project's wheel in it if asked for; make it if there is none.

        Raises:
            EnvironmentMakingError: uv or hatchling could not make it, or the checkout can't be written to.

        """
        try:
            path, lock = self._held(kind, self._sources() if project else None)
        except OSError as error:
            raise EnvironmentMakingError(kind.name, str(error)) from None
        with closing(lock):
            yield Environment(path, lock.handle)

    def _held(self, kind: Kind, sources: str | None) -> tuple[Path, _Lock]:
        self.home.mkdir(parents=True, exist_ok=True)
        held = self._found(kind, sources)
        if held is None:
            # One at a time: who waited here for another's finds it made.
            with closing(_Lock(self.home / "lock")) as alone:
                alone.wait()
                held = self._found(kind, sources) or self._made(kind, sources)
        os.utime(held[1].path)
        return held

    def slot(self, kind: Kind, number: int = 1) -> Path:
        """Return the folder of an environment; another `number` is for when the first one is in use as it is."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        digest = hashlib.sha256(f"{sysconfig.get_platform()} {self._interpreter()}".encode())
        for name in kind.locks:
            digest.update((self.root / "env" / "locks" / name).read_bytes())
        if kind.resolve:
            digest.update((self.root / "pyproject.toml").read_bytes())
        if kind.dated:
            digest.update(f"{datetime.now(tz=UTC):%F}".encode())
        return self.home / f"{kind.name}-{version}-{digest.hexdigest()[:12]}{'' if number == 1 else f'.{number}'}"

    def _interpreter(self) -> str:
        return os.path.realpath(getattr(sys, "_base_executable", None) or self.python)

    def _sources(self) -> str:
        hashes = json.dumps(source_hashes(self.root), sort_keys=True)
        return hashlib.sha256(hashes.encode()).hexdigest()

    def _found(self, kind: Kind, sources: str | None) -> tuple[Path, _Lock] | None:
        for number in count(1):
            folder = self.slot(kind, number)
            if not _lock_of(folder).is_file():
                return None
            if not _is_whole(folder, sources):
                continue
            lock = _Lock(_lock_of(folder))
            # Looked at again once it is held: until then it could be replaced.
            if lock.share() and _is_whole(folder, sources):
                return folder, lock
            lock.close()
        raise AssertionError

    def _made(self, kind: Kind, sources: str | None) -> tuple[Path, _Lock]:
        for number in count(1):
            folder = self.slot(kind, number)
            lock = _Lock(_lock_of(folder))
            if lock.take():
                break
            lock.close()
        try:
            if not _is_whole(folder):
                self._make(kind, folder)
            if not _is_whole(folder, sources):
                self._install_project(kind, folder, str(sources))
        except BaseException:
            lock.close()
            raise
        # Shared from here on; nobody else can take it in between, since only one is here at a time.
        lock.share()
        self._forget_old()
        return folder, lock

    def _make(self, kind: Kind, folder: Path) -> None:
        _say(f"making the environment {kind.name!r} in {_short(folder, self.root)}")
        shutil.rmtree(folder, ignore_errors=True)
        self._uv(kind, "venv", "--quiet", "--no-project", "--python", self.python, str(folder))
        files = [word for lock in kind.locks for word in ("-r", str(self.root / "env" / "locks" / lock))]
        if files:
            self._install(kind, folder, "--require-hashes", "--only-binary", ":all:", *files)
        for arguments in kind.resolve(folder) if kind.resolve else ():
            self._install(kind, folder, *arguments)
        _write(folder / _LOCKS_STAMP, " ".join(kind.locks))

    def _install_project(self, kind: Kind, folder: Path, sources: str) -> None:
        _say("building the project's wheel")
        (folder / _PROJECT_STAMP).unlink(missing_ok=True)
        wheels = folder / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        build = [str(folder / "bin" / "python"), "-m", "hatchling", "build", "--target", "wheel"]
        self._run(kind, [*build, "--directory", str(wheels)])
        names = [str(path) for path in wheels.glob("*.whl")]
        self._install(kind, folder, "--no-deps", "--force-reinstall", "--offline", *names)
        _write(folder / _PROJECT_STAMP, sources)

    def _install(self, kind: Kind, folder: Path, *arguments: str) -> None:
        self._uv(kind, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *arguments)

    def _uv(self, kind: Kind, *arguments: str) -> None:
        if self.uv is None:
            raise EnvironmentMakingError(kind.name, "there is no uv here: run this as ./noxw, which brings it")
        self._run(kind, [self.uv, *arguments])

    def _run(self, kind: Kind, command: list[str]) -> None:
        # VIRTUAL_ENV of a shell is none of uv's business here; what these programs say is no result of a session.
        variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
        done = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            _say(said)
            raise EnvironmentMakingError(kind.name, f"{Path(command[0]).name} ended with exit code {done.returncode}")

    def _forget_old(self) -> None:
        """Delete environments that nobody has used for long."""
        for path in self.home.glob("*.lock"):
            folder = path.with_suffix("")
            if time.time() - path.stat().st_mtime < KEPT_DAYS * _SECONDS_A_DAY:
                continue
            with closing(_Lock(path)) as lock:
                if lock.take():
                    shutil.rmtree(folder, ignore_errors=True)
                    path.unlink(missing_ok=True)


class _Lock:
    """An flock on a file: it is let go when the last process that has it open ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def share(self) -> bool:
        """Take it together with others; whether that could be done at once."""
        return self._now(fcntl.LOCK_SH)

    def take(self) -> bool:
        """Take it alone; whether that could be done at once."""
        return self._now(fcntl.LOCK_EX)

    def wait(self) -> None:
        """Take it alone, when all others have let it go."""
        if not self.take():
            _say("waiting for another ./noxw that is making an environment")
            fcntl.flock(self.handle, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let it go."""
        os.close(self.handle)

    def _now(self, kind: int) -> bool:
        try:
            fcntl.flock(self.handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _is_whole(folder: Path, sources: str | None = None) -> bool:
    # The interpreter is a link: it leads nowhere once that Python is uninstalled.
    whole = (folder / _LOCKS_STAMP).is_file() and (folder / "bin" / "python").exists()
    return whole and sources in (None, _read(folder / _PROJECT_STAMP))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _say(text: str) -> None:
    print(f"noxw: {text}", file=sys.stderr, flush=True)  # noqa: T201 - there is no rich here
