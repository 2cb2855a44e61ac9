"""The small disks of the tests are real: they are full when they say so, and gone at their end."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from tests.support.small_disk import small_disks


def test_a_small_disk_is_full_until_it_is_freed(tmp_path: Path) -> None:
    with small_disks("1m", tmp_path) as disks:
        (disk,) = disks.disks
        disk.fill()
        with pytest.raises(OSError, match="No space left") as full:
            (disk.seen / "more").write_bytes(b"x" * 5000)
        assert full.value.errno == errno.ENOSPC
        disk.free()
        command = [*disks.inside(tmp_path), "sh", "-c", "echo there > file"]
        subprocess.run(command, check=True)
        assert (disk.seen / "file").read_text() == "there\n"
    assert list(tmp_path.iterdir()) == []
