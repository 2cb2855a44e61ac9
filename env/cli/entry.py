"""How `python -m env` and `python -m images` begin: what a command needs is imported with it, and not for its help."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from env.spec import DISTRIBUTION, Tree, project_version

OURS = ("env", "images", "release")
WRONG_COMMAND_LINE = 2


class CommandParser(argparse.ArgumentParser):
    """A parser whose commands say what they don't know with their own usage; argparse has the first parser say it."""

    # argparse's own signature is of three overloads, which only say what the namespace is.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and end with the usage where something is left over."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            known = [option for action in self._actions for option in action.option_strings]
            near = (
                difflib.get_close_matches(rest[0].partition("=")[0], known, n=1, cutoff=0.75)
                if rest[0].startswith("-")
                else []
            )
            meant = f" (did you mean {near[0]}? --help lists them)" if near else " (--help lists what there is)"
            self.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
        return found, rest


def enter(options: argparse.Namespace, usual: str) -> int:
    """Call the function that ``options.run`` names, ``module:function``; return the exit code.

    `usual` is the command line that has all packages: it is told where one is missing.
    """
    module, _, name = str(options.run).partition(":")
    try:
        start = importlib.import_module("env.cli.command").start
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in OURS:
            raise
        print(f"error: {error.name} is not installed for this Python: run `{usual}`", file=sys.stderr)  # noqa: T201
        return WRONG_COMMAND_LINE
    return int(start(function, options))


class _Version(argparse.Action):
    # Read when it is asked for: argparse's own takes the text at once.
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{DISTRIBUTION} {project_version(Tree())}")  # noqa: T201 - the result
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add ``--version`` to a parser."""
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")


def paragraphs(text: str) -> str:
    """Return text with its paragraphs filled to a terminal's usual width; lines that begin with a space stay."""
    parts = text.split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else textwrap.fill(part, 79) for part in parts)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def command_line(arguments: list[str] | None) -> str:
    """Return the words of the command line as one line."""
    return " ".join(sys.argv[1:] if arguments is None else arguments)
