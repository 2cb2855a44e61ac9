"""What the noxfile says of each session, and how a session is declared: without an environment of nox's own making."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Session = Callable[[Any], None]
_doors: dict[str, Door] = {}


@dataclass(frozen=True)
class Door:
    """One session, as its help shows it."""

    name: str
    about: str
    """Its docstring."""
    program: tuple[str, ...] | None
    """The module, and the command of it, that takes its arguments and has a help page of its own."""
    usage: str

    @property
    def summary(self) -> str:
        """The first sentence."""
        return self.about.splitlines()[0].partition(": --")[0].rstrip(".")


def doors() -> dict[str, Door]:
    """Return the sessions by name, in the order of the noxfile; those that only nox knows are among them."""
    found = dict(_doors)
    for name, function in importlib.import_module("nox.registry").get().items():
        found.setdefault(name, Door(name, inspect.getdoc(function.func) or name, None, ""))
    return found


def session(
    name: str, *, default: bool = False, program: tuple[str, ...] | None = None, usage: str = ""
) -> Callable[[Session], Session]:
    """Declare a session whose programs run in shared environments.

    `program` is the module, with its command, whose ``--help`` is the session's; without one the docstring is, under
    `usage`, which shows the arguments.
    """

    def declare(function: Session) -> Session:
        _doors[name] = Door(name, inspect.getdoc(function) or "", program, usage)
        # Only here: nox is in the environment of ./noxw, and not in those of the sessions.
        importlib.import_module("nox").session(name=name, default=default, venv_backend="none")(function)
        return function

    return declare
