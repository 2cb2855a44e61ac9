"""Every way that env can fail: one class and one exit code a cause, and a message that says what to do next.

Exit codes 10-39 are env's, 40-69 those of images; 2 is a wrong command line, 130 is Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class EnvError(Exception):
    """Something the person who ran the command can put right. Its text is one line that says how."""

    exit_code: ClassVar[int] = 1


class UnknownPlatformError(EnvError):
    """A platform that no recipe or lock knows."""

    exit_code = 10

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown platform {name!r}: use {', '.join(known)} (comma-separated for several)")


class StoreCorruptError(EnvError):
    """A file in the store no longer has the content its name says."""

    exit_code = 11

    def __init__(self, sha256: str, path: object, actual: str) -> None:
        super().__init__(
            f"corrupted file in the store: {path} should have sha256 {sha256[:16]}… and has {actual[:16]}…; "
            "run `./noxw -s fetch` to replace it"
        )


class StoreMissError(EnvError):
    """A locked file is not in the store."""

    exit_code = 12

    def __init__(self, sha256: str, name: str) -> None:
        super().__init__(f"{name} (sha256 {sha256[:16]}…) is not in the store: run `./noxw -s fetch`")


class LockFormatError(EnvError):
    """A lock file that can't be read as one."""

    exit_code = 13

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}; make it again with `./noxw -s lock`")


class LockMissingError(EnvError):
    """No lock for that environment and platform."""

    exit_code = 14

    def __init__(self, path: object) -> None:
        super().__init__(f"no lock at {path}: make it with `./noxw -s lock`")
