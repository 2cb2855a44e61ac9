"""How the door itself can fail; what a session's program ends with is passed on instead."""

from __future__ import annotations

from typing import ClassVar


class DoorError(Exception):
    """Something the person who ran `./noxw` can put right. Its text is one line that says how."""

    exit_code: ClassVar[int] = 1


class NoPythonError(DoorError):
    """No Python 3.11 or later with venv, which `./noxw` needs."""

    # ./noxw itself ends with it, before there is a Python to raise this.
    exit_code = 71


class UsageError(DoorError):
    """A wrong command line."""

    exit_code = 2


class EnvironmentMakingError(DoorError):
    """The environment of a session could not be made."""

    exit_code = 71

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the environment {name!r} could not be made: {reason}. What was there before is untouched: put that right "
            "and run the same again; without a network, run `./noxw -s fetch` first where there is one"
        )
