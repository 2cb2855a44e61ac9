"""Bytecode for a tree, made on the host by the locked interpreter, for whichever platform.

A pyc is the same on amd64 and arm64 (PEP 3147 tags the interpreter, not the machine), so one compilation serves both.
The interpreter is the *locked* one: unpacked from its Debian packages and run through its own loader, which needs no
root. The result is kept in the store, keyed by interpreter and sources, because 11,000 files take a minute.
"""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.platforms import Platform, host_platform
from env.store.store import Store
from images.cache import Cache, key_of, source_of
from images.errors import InterpreterError
from images.rootfs.entries import Entry, Kind

PYTHON = "python3.13"
SCRIPT = source_of("images.rootfs._compile")
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first time a zip archive can say: the bundles carry no real one."""


@dataclass(frozen=True)
class Interpreter:
    """A Python unpacked below `root`, which runs on this host without being installed."""

    root: Path
    platform: Platform
    identity: str
    """What it was unpacked from: a different one may compile differently."""
    python: str = PYTHON
    """The name of its program, which says the version."""
    prefix: Path | None = None
    """Where it is installed, if not in `root`, which then has only the C library and the loader for it."""

    @property
    def tag(self) -> str:
        """The tag of its cached files, e.g. ``cpython-313`` (PEP 3147)."""
        return f"cpython-{self.python.removeprefix('python').replace('.', '')}"

    def run(self, script: Path, text: str) -> None:
        """Run a script with `text` on its standard input, away from the host's Python, libraries and settings.

        Raises:
            InterpreterError: it does not start here, or the script fails.

        """
        home = self.root / "usr" if self.prefix is None else self.prefix
        libraries = [self.root / "usr/lib" / self.platform.triplet, *([home / "lib"] if self.prefix else [])]
        command = [
            str(self.root / self.platform.loader.lstrip("/")),
            "--library-path",
            ":".join(map(str, libraries)),
            str(home / "bin" / self.python),
            # No site, no pyc of its own library read or written: its state must not depend on what ran before.
            "-SsB",
            "-X",
            "pycache_prefix=/nonexistent",
            str(script),
        ]
        # Hash order reaches marshal through sets of constants, so it is fixed.
        settings = {"PYTHONHASHSEED": "0", "PYTHONHOME": str(home), "LC_ALL": "C.UTF-8"}
        try:
            subprocess.run(command, input=text, env=settings, check=True, capture_output=True, text=True)
        except OSError as error:
            raise InterpreterError(f"its loader does not start ({error.strerror})") from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().rpartition("\n")[2] or f"exit code {error.returncode}"
            raise InterpreterError(last) from None


def host() -> Platform:
    """Return the platform whose interpreter runs here.

    Raises:
        InterpreterError: the host is neither linux/amd64 nor linux/arm64.

    """
    platform = host_platform()
    if platform is None:
        raise InterpreterError("build on Linux, amd64 or arm64 (a container of either does)")
    return platform


def pyc_path(source: str, tag: str) -> str:
    """Return the cached file of a source path for an interpreter's tag (PEP 3147)."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


class Compiler:
    """Adds bytecode to entries, from the store where it was made before."""

    def __init__(self, interpreter: Interpreter, store: Store) -> None:
        self._interpreter = interpreter
        self._store = store
        self._cache = Cache(store)

    @property
    def tag(self) -> str:
        """The tag of the files that it makes (PEP 3147)."""
        return self._interpreter.tag

    def compiled(self, entries: Sequence[Entry], stage: Path) -> Iterator[Entry]:
        """Yield a pyc entry for each source among `entries` that compiles; the files are staged below `stage`."""
        sources = {
            entry.path: entry.content
            for entry in entries
            if entry.kind is Kind.FILE and entry.path.endswith(".py") and isinstance(entry.content, Path)
        }
        if not sources:
            return
        origin = entries[0].origin
        stage.mkdir(parents=True)
        bundle = self._bundle(sources, stage)
        with zipfile.ZipFile(bundle) as archive:
            for number, path in enumerate(archive.namelist()):
                staged = stage / f"{number}.pyc"
                staged.write_bytes(archive.read(path))
                yield Entry(path, Kind.FILE, 0o644, content=staged, origin=origin)

    def _bundle(self, sources: dict[str, Path], stage: Path) -> Path:
        hashes = {path: hashlib.sha256(sources[path].read_bytes()).hexdigest() for path in sorted(sources)}
        script = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
        key = key_of(self._interpreter.identity, script, hashes)
        known = self._cache.get("bytecode", key)
        if known is not None and known["sha256"] in self._store:
            return self._store.verified(known["sha256"], "bytecode")
        sha256 = self._compile(sources, stage)
        self._cache.put("bytecode", key, {"sha256": sha256})
        return self._store.path(sha256)

    def _compile(self, sources: dict[str, Path], stage: Path) -> str:
        outputs = {path: stage / f"compiled-{number}" for number, path in enumerate(sorted(sources))}
        words = [word for path, output in outputs.items() for word in (str(sources[path]), f"/{path}", str(output))]
        self._interpreter.run(SCRIPT, "".join(f"{word}\0" for word in words))
        with self._store.writer(stage) as file:
            with zipfile.ZipFile(file, "w") as archive:
                for path, output in outputs.items():
                    if output.exists():
                        archive.writestr(
                            zipfile.ZipInfo(pyc_path(path, self._interpreter.tag), EARLIEST), output.read_bytes()
                        )
                        output.unlink()
            file.flush()
            written = Path(file.name)
            sha256 = hashlib.sha256(written.read_bytes()).hexdigest()
            self._store.adopt(written, sha256)
        return sha256
