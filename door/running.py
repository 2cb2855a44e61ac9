"""Run a session's programs: their output untouched, signals passed to them, their exit codes passed on."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

from door.environments import DOCS, LAB, TOOLS, Environment, Environments, Kind
from door.errors import DoorError

__all__ = ["DOCS", "LAB", "TOOLS", "Kind", "failures", "is_root", "prepare", "run"]

failures: list[int] = []
"""The exit codes of what failed, in order; the first is that of the whole command."""
_ENDS_US = (signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128


Command = tuple[str, ...]


class Session(Protocol):
    """What is used of a nox.Session: nox is not in the environments that are checked and tested."""

    def log(self, message: str) -> None:
        """Write a line to standard error."""

    def error(self, message: str) -> NoReturn:
        """End the session as failed."""


def run(
    session: Session,
    kind: Kind,
    *commands: Command,
    project: bool = False,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run programs one after the other in the environment of these locks, `project` with the project's wheel in it.

    The exit code of the first that fails becomes that of the session, and of ./noxw.
    """
    try:
        with Environments().ready(kind, project=project) as environment:
            for command in commands:
                session.log(shlex.join(command))
                if code := call(environment, command, variables or {}):
                    failures.append(code)
                    session.error(f"{shlex.join(command[:4])} ended with exit code {code}")
    except DoorError as error:
        failures.append(error.exit_code)
        session.error(str(error))


def prepare(session: Session, *kinds: Kind) -> None:
    """Make the environments of these locks, unless they are there; they are then there without a network too."""
    for kind in kinds:
        run(session, kind)


def call(environment: Environment, command: Command, variables: Mapping[str, str]) -> int:
    """Run a program with our own streams until it ends; return its exit code, as a shell gives it."""
    # A pipe's reader would otherwise see this program's lines before ours.
    sys.stdout.flush()
    sys.stderr.flush()
    settings = environment.variables() | dict(variables)
    with _passing_on() as (received, send):
        try:
            # It holds the environment too, so that nobody changes it when we are killed.
            child = subprocess.Popen(command, env=settings, pass_fds=[environment.handle])
        except FileNotFoundError:
            print(f"noxw: {command[0]} is not installed", file=sys.stderr)  # noqa: T201 - there is no rich here
            return 127
        send.append(child.send_signal)
        for number in tuple(received):
            child.send_signal(number)
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:
                # The terminal has sent it the same; it decides when it ends.
                continue
            return code if code >= 0 else _SIGNALLED - code


@contextmanager
def _passing_on() -> Iterator[tuple[list[int], list[Callable[[int], None]]]]:
    """Pass on the signals that end us: yield those that came before there was a program, and whom to pass them to."""
    received: list[int] = []
    send: list[Callable[[int], None]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for one in send:
            one(number)

    # What is ignored (nohup) stays so, for the program too.
    numbers = [number for number in _ENDS_US if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield received, send
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_root() -> bool:
    """Return whether this process may do everything."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
