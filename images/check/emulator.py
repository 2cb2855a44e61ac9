"""qemu's static user-mode emulator, a locked Debian package like any other, unpacked in the store.

Only tests use it: an image is assembled without running a program of its platform.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from env.formats.freshness import require_fresh
from env.formats.lock import find_lock, lock_name
from env.platforms import Platform
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from images.cache import key_of, note_program
from images.rootfs import debs
from images.rootfs.bytecode import host


def emulator(platform: Platform, store: Store, console: Console) -> Path | None:
    """Return the emulator of a platform's programs on this host, fetched if need be; None if the host runs them itself.

    Raises:
        EnvError: the host is not Linux, or the package can't be fetched.

    """
    if host() == platform:
        return None
    tree = Tree()
    lock = find_lock(tree, lock_name("emulator", host()))
    require_fresh(lock, tree)
    name = f"qemu-{platform.machine}"
    key = key_of([file.sha256 for file in lock.files])
    target = store.root / "emulators" / key / name
    note_program(store, key)
    if not target.is_file():
        fetch([lock], store, console=console)
        stage = Path(tempfile.mkdtemp(dir=store.partial, prefix="emulator-"))
        try:
            for file in lock.files:
                for entry in debs.unpack(store.verified(file.sha256, file.file), file.name, stage / file.name):
                    if entry.path == f"usr/bin/{name}" and isinstance(entry.content, Path):
                        entry.content.chmod(0o755)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        entry.content.replace(target)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return target
