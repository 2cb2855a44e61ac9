"""Programs whose output and time have an end: what they print beyond it is read and forgotten."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

CHUNK = 1 << 16
TAIL = 1 << 16
"""Bytes of standard error that are kept, its last: the reason is there."""
WATCH_EVERY_S = 0.5


def run_bounded(
    command: Sequence[str], timeout_s: float, limit: int, watch: Callable[[], None], pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program without input; keep the first `limit` bytes of its output, and the end of its standard error.

    `watch` is called now and then; what it raises ends the program.

    Raises:
        subprocess.TimeoutExpired: it did not end within `timeout_s` seconds; it is killed.

    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
    ) as process:
        first, last = bytearray(), bytearray()
        readers = [
            threading.Thread(target=_first, args=(process.stdout, first, limit), daemon=True),
            threading.Thread(target=_last, args=(process.stderr, last), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            wait(process, timeout_s, watch)
        finally:
            process.kill()
            for reader in readers:
                reader.join()
    said, told = first.decode("utf-8", "replace"), last.decode("utf-8", "replace")
    return subprocess.CompletedProcess(command, process.returncode, said, told)


def wait(process: subprocess.Popen[bytes], timeout_s: float, watch: Callable[[], None]) -> None:
    """Wait for a program's end, and look now and then."""
    ends = time.monotonic() + timeout_s
    while True:
        left = ends - time.monotonic()
        try:
            process.wait(max(0, min(WATCH_EVERY_S, left)))
        except subprocess.TimeoutExpired:
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout_s) from None
            watch()
        else:
            return


def _first(source: IO[bytes], kept: bytearray, limit: int) -> None:
    while piece := source.read1(CHUNK):  # type: ignore[attr-defined]
        kept += piece[: limit - len(kept)]


def _last(source: IO[bytes], kept: bytearray) -> None:
    while piece := source.read1(CHUNK):  # type: ignore[attr-defined]
        kept += piece
        del kept[:-TAIL]


def pumped(source: IO[bytes], log: IO[bytes], limit: int) -> threading.Thread:
    """Copy what comes from `source` into `log`, as it comes, until `limit` bytes; the rest is read and forgotten."""

    def pump() -> None:
        left = limit
        while piece := source.read1(CHUNK):  # type: ignore[attr-defined]
            if left > 0:
                log.write(piece[:left])
                log.flush()
            left -= len(piece)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    return thread
