"""How `python -m env` and `python -m images` begin: what a command needs is imported with it, and not for its help."""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap

from env.spec import DISTRIBUTION, Tree, project_version

OURS = ("env", "images")
WRONG_COMMAND_LINE = 2


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


def command_line(arguments: list[str] | None) -> str:
    """Return the words of the command line as one line."""
    return " ".join(sys.argv[1:] if arguments is None else arguments)
