"""The locked Python, unpacked in the store for the host, to compile bytecode with."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from env.formats.environments import INTERPRETER
from env.formats.lock import Lock
from env.store.store import Store
from images.cache import key_of, note_program
from images.errors import PackageContentError
from images.rootfs import debs
from images.rootfs.bytecode import Interpreter
from images.rootfs.conda import install
from images.rootfs.entries import Kind


def unpack_interpreter(lock: Lock, store: Store) -> Interpreter:
    """Return the Python of Debian's lock for the host's platform, unpacked in the store.

    Raises:
        InterpreterError: the host can't run it.

    """
    platform = lock.platform
    files = [file for file in lock.files if file.name in INTERPRETER]
    # The bytes that another platform's interpreter of the same version makes are the same, so the version is enough.
    identity = key_of([file.version for file in files if file.name == "python3.13-minimal"])
    key = key_of(platform.oci, [file.sha256 for file in files])
    root = store.root / "interpreters" / key
    note_program(store, key)
    if not root.is_dir():
        stage = Path(tempfile.mkdtemp(dir=store.partial, prefix="python-"))
        try:
            for file in files:
                _extract(store.verified(file.sha256, file.file), file.name, stage)
            root.parent.mkdir(parents=True, exist_ok=True)
            try:
                (stage / "root").rename(root)
            except OSError:
                # Another build of this store has just done the same.
                if not root.is_dir():
                    raise
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return Interpreter(root, platform, identity)


def unpack_conda_python(lock: Lock, below: Interpreter, store: Store) -> Interpreter:
    """Return the Python of a project's conda packages for the host, installed in the store.

    It runs on the C library and through the loader of `below`, so that the host's own decide nothing.

    Raises:
        PackageContentError: it can't be installed, or its program is not there.

    """
    files = [file for file in lock.files if file.name == "python"]
    python = f"python{minor_of(lock.python)}"
    key = key_of(lock.platform.oci, [file.sha256 for file in files])
    prefix = store.root / "interpreters" / key
    note_program(store, key)
    if not prefix.is_dir():
        stage = Path(tempfile.mkdtemp(dir=store.partial, prefix="python-"))
        try:
            made = install(files, lock.platform, store, stage / "conda")
            if not (made / "bin" / python).exists():
                raise PackageContentError("python", f"has no bin/{python}")
            prefix.parent.mkdir(parents=True, exist_ok=True)
            try:
                made.rename(prefix)
            except OSError:
                if not prefix.is_dir():
                    raise
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    # What another platform's Python of the same version makes is the same, so the version is enough.
    return Interpreter(below.root, below.platform, key_of("conda", lock.python), python, prefix)


def minor_of(version: str) -> str:
    """Return the first two parts of a version: ``3.13`` of ``3.13.5``."""
    return ".".join(version.split(".")[:2])


def _extract(deb: Path, package: str, stage: Path) -> None:
    root = stage / "root"
    for alias in ("bin", "lib", "lib64"):
        (root / "usr" / alias).mkdir(parents=True, exist_ok=True)
        if not (root / alias).is_symlink():
            (root / alias).symlink_to(f"usr/{alias}")
    for entry in debs.unpack(deb, package, stage / package):
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is Kind.FILE and isinstance(entry.content, Path):
            shutil.copyfile(entry.content, target)
            target.chmod(entry.mode | 0o600)
        elif entry.kind is Kind.SYMLINK and not target.is_symlink():
            # Absolute targets stay inside this root.
            depth = "../" * entry.path.count("/")
            absolute = entry.target.startswith("/")
            target.symlink_to(f"{depth}{entry.target.lstrip('/')}" if absolute else entry.target)
