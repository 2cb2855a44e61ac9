"""bubblewrap, a locked Debian package like any other, unpacked in the store with the libraries that it is linked with.

It is started through its own dynamic loader, so that it runs on every Linux, whatever C library is installed there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from rich.console import Console

from env.errors import ToolMissingError
from env.formats.freshness import require_fresh
from env.formats.lock import Lock, find_lock, lock_name
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from images.cache import key_of, note_program
from images.rootfs import debs
from images.rootfs.bytecode import host
from images.rootfs.entries import Kind

VARIABLE = "JUPYTER_MCP_BWRAP"
"""Names an installed bwrap to run in place of the locked one: a security policy may allow that one alone."""
LOADER = "bwrap"
"""Its loader's name in the store: the kernel calls a process by the file that was started."""
_FORBIDDEN = {
    ("sys/kernel/apparmor_restrict_unprivileged_userns", "1"): (
        "AppArmor forbids user namespaces here, as Ubuntu has it: run `sudo sysctl "
        f"kernel.apparmor_restrict_unprivileged_userns=0`, or set {VARIABLE} to a bwrap that has a profile"
    ),
    ("sys/kernel/unprivileged_userns_clone", "0"): (
        "this host forbids user namespaces: run `sudo sysctl kernel.unprivileged_userns_clone=1`"
    ),
    ("sys/user/max_user_namespaces", "0"): (
        "this host forbids user namespaces: run `sudo sysctl user.max_user_namespaces=15000`"
    ),
}
"""What to do by the switch below /proc that forbids user namespaces, and the value with which it does."""
_LIBRARIES = "lib"
_PROGRAM = "program"


def bubblewrap(store: Store, console: Console) -> tuple[str, ...]:
    """Return the first words of bubblewrap's command line on this host, fetched if need be.

    Raises:
        EnvError: the host is not Linux on amd64 or arm64, or the packages can't be fetched.

    """
    if named := os.environ.get(VARIABLE):
        if not os.access(named, os.X_OK):
            raise ToolMissingError(named, f"set {VARIABLE} to an installed bwrap, or unset it")
        return (named,)
    platform = host()
    if platform is None:
        raise ToolMissingError("bubblewrap", "images run on Linux on amd64 or arm64 alone")
    tree = Tree()
    lock = find_lock(tree, lock_name("sandbox", platform))
    require_fresh(lock, tree)
    key = key_of([file.sha256 for file in lock.files])
    root = store.root / "sandboxes" / key
    note_program(store, key)
    if not root.is_dir():
        fetch([lock], store, console=console)
        _unpack(lock, store, root)
    return words(root)


def words(root: Path) -> tuple[str, ...]:
    """Return the first words of the command line of the bubblewrap in a folder that `bubblewrap` made, or its copy."""
    libraries = ("--inhibit-cache", "--library-path", str(root / _LIBRARIES))
    return (str(root / LOADER), *libraries, str(root / _PROGRAM))


def _unpack(lock: Lock, store: Store, root: Path) -> None:
    stage = Path(tempfile.mkdtemp(dir=store.partial, prefix="sandbox-"))
    try:
        made = stage / "made"
        (made / _LIBRARIES).mkdir(parents=True)
        made.chmod(0o755)
        links: dict[str, str] = {}
        for file in lock.files:
            for entry in debs.unpack(store.verified(file.sha256, file.file), file.name, stage / file.name):
                path = PurePosixPath(entry.path)
                library = path.parent.name.endswith("-linux-gnu") and ".so" in path.name
                if not library and entry.path != "usr/bin/bwrap":
                    continue
                if entry.kind is Kind.SYMLINK:
                    links[path.name] = PurePosixPath(entry.target).name
                elif entry.kind is Kind.FILE and isinstance(entry.content, Path):
                    target = made / _PROGRAM if path.name == "bwrap" else made / _LIBRARIES / path.name
                    entry.content.chmod(0o755)
                    entry.content.replace(target)
        # By the names that programs are linked with, libcap.so.2 for libcap.so.2.75.
        for name, target_name in links.items():
            if not (made / _LIBRARIES / name).exists():
                (made / _LIBRARIES / name).symlink_to(target_name)
        loader = next((made / _LIBRARIES).glob("ld-linux-*.so.*"))
        shutil.copy2(loader, made / LOADER)
        root.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(root)
        except OSError:
            # Another check on this store has just done the same.
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def way_out(proc: Path = Path("/proc")) -> str:
    """Say what would let this host make user namespaces, which bubblewrap needs."""
    for (switch, forbids), told in _FORBIDDEN.items():
        with suppress(OSError):
            if (proc / switch).read_text(encoding="ascii").strip() == forbids:
                return told
    return (
        "it needs user namespaces: in a container, start that one with a seccomp profile that allows them "
        "(--security-opt seccomp=unconfined)"
    )
