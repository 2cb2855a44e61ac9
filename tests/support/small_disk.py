"""Real disks that are small enough to be filled: each a tmpfs that nobody outside a namespace of its own sees.

They end with the process that holds the namespace, and it with the test's: nothing is left mounted.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .needs import no_namespaces, require

_AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
_JOIN_AS_ROOT = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
_HOLD = """set -e
for each in "$@"; do mount -t tmpfs -o size="${each%%:*}",mode=0700 none "${each#*:}"; done
echo ready
exec cat
"""
_BALLAST = ".ballast"


class SmallDisk:
    """One folder's disk, as it is seen from outside the namespace."""

    def __init__(self, holder: int, folder: Path) -> None:
        self.folder = folder
        self.seen = Path(f"/proc/{holder}/root{folder}")

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.seen / _BALLAST).open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Free what `fill` took."""
        (self.seen / _BALLAST).unlink(missing_ok=True)


class SmallDisks:
    """Some folders' disks, and how to start a program that has them."""

    def __init__(self, holder: int, folders: tuple[Path, ...]) -> None:
        self._holder = holder
        self.disks = tuple(SmallDisk(holder, folder) for folder in folders)

    def inside(self, cwd: Path) -> tuple[str, ...]:
        """Return the words before a command that is to run with the disks, in a folder on one of them."""
        join = ("nsenter", f"--target={self._holder}", "--mount", *_JOIN_AS_ROOT)
        return (*join, "sh", "-c", 'cd "$0" && exec "$@"', str(cwd))


@contextmanager
def small_disks(size: str, *folders: Path) -> Iterator[SmallDisks]:
    """Put an empty disk of that size ("16m") over each folder; skip where this machine allows no namespaces."""
    require("unshare", "nsenter")
    command = ["unshare", "--mount", *_AS_ROOT, "sh", "-c", _HOLD, "sh", *(f"{size}:{folder}" for folder in folders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != b"ready\n":
            no_namespaces(holder.stderr.read().decode(errors="replace"))
        try:
            yield SmallDisks(holder.pid, folders)
        finally:
            holder.stdin.close()
