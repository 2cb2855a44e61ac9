"""``python -m release.package``: the wheel and the sdist of what is here, in a commit or not, into dist/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from env.cli.entry import CommandParser, enter


def main(arguments: Sequence[str] | None = None) -> int:
    """Build both; return the exit code."""
    parser = CommandParser(
        prog="./noxw -s package --",
        description="Build the wheel and the sdist of what is here, in a commit or not. A release: ./noxw -s release.",
    )
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="DIR", help="where to (default: dist)")
    parser.set_defaults(run="release.commands:run_package")
    options: argparse.Namespace = parser.parse_args(arguments)
    return enter(options, "./noxw -s package")


if __name__ == "__main__":
    sys.exit(main())
