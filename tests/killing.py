"""Kill a command at random moments of its run, and see that nothing of it goes on."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MOMENTS = 10
GONE_WITHIN_S = 10
VARIABLE = "KILL_SEED"


def moments(duration_s: float) -> list[float]:
    """Return ten moments of a run of that duration, one at random in each tenth of it; the seed is printed."""
    seed = int(os.environ.get(VARIABLE) or secrets.randbits(32))
    chance = random.Random(seed)  # noqa: S311 - not a secret
    chosen = [duration_s * (number + chance.random()) / MOMENTS for number in range(MOMENTS)]
    shown = ", ".join(f"{moment:.2f}" for moment in chosen)
    print(f"{VARIABLE}={seed}: of {duration_s:.2f} s, killed after {shown}", file=sys.stderr)  # noqa: T201 - the seed
    return chosen


def killed(command: Sequence[str], after_s: float, *, cwd: Path, env: Mapping[str, str] | None = None) -> bool:
    """Run a command and end it with SIGKILL after that time; say whether it was still running then.

    What it started must end as well, though nobody could tell it.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        assert code in (0, -9), f"it ended with {code} by itself"
        assert_gone(process.pid)
        return code != 0


def assert_gone(session: int) -> None:
    """See that no process of a session goes on."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while (left := running(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"these outlive it: {left}"


def running(session: int) -> list[str]:
    """Return the command lines of a session's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # proc(5): pid (comm) state ppid pgrp session ...
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
