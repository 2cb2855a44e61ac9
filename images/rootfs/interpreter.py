"""The locked Python, unpacked in the store for the host, to compile bytecode with."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from env.formats.environments import INTERPRETER
from env.formats.lock import Lock
from env.store.store import Store
from images.cache import key_of, note_program
from images.rootfs import debs
from images.rootfs.bytecode import Interpreter
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
