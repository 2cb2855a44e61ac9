"""The command line ``python -m release``, which the nox session release calls."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path

from env.cli.entry import CommandParser, add_version, command_line, enter, paragraphs
from env.names import STORE_DEFAULT
from images.names import recipe_names

ONLY = ("distributions", "images")
EXAMPLES = """\
examples:
  ./noxw -s release -- --check                      can this commit be released, and do two builds agree?
  ./noxw -s release -- --check --only distributions the same without images, in seconds
  ./noxw -s release                                 make it: dist/release
  ./noxw -s release -- --image jupyter              with this image alone
  ./noxw -s release -- --set-version 0.2.0          write the next version to every place that has it

How a release is made and verified: docs/how-to/release.md"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check a release; return the exit code (env/errors.py lists them)."""
    given = None if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(given)
    if options.only == "distributions" and options.image:
        parser.error("--image is about images, and --only distributions makes none")
    unknown = sorted({*options.image} - {*recipe_names()})
    if unknown:
        parser.error(f"unknown image {unknown[0]!r}: there are recipes for {', '.join(recipe_names())}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return enter(options, f"./noxw -s release -- {command_line(given)}")


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="./noxw -s release --",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=paragraphs(
            "Make a release of this commit, in one folder: wheel, sdist, and for each image an OCI layout with all of "
            "its platforms; a bill of materials (SPDX) and a provenance (in-toto, SLSA v1) for each of them; the "
            "release notes, cut from CHANGELOG.md; SHA256SUMS. Nothing is published: that is the workflow's, on a "
            "tag.\n\n"
            "It ends with one line, and makes nothing, where the version is not the same everywhere, where the "
            "changelog has no section for it, where recipe/recipe.yaml is not what pyproject.toml says, or where a "
            "file is in no commit."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="make everything twice, the second time in another place, with other settings and from an empty store; "
        "say what differs (exit code 1), and keep neither. Notes may still be under Unreleased",
    )
    parser.add_argument("--only", choices=ONLY, help="leave the others out (default: both)")
    parser.add_argument(
        "--image",
        type=_words,
        default=(),
        metavar="LIST",
        help=f"which images (default: {','.join(recipe_names())})",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dist") / "release", metavar="DIR", help="where to (default: dist/release)"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help=f"the store (default: {STORE_DEFAULT})")
    parser.add_argument(
        "--draft", action="store_true", help="of what is here, in a commit or not, with the notes of Unreleased"
    )
    parser.add_argument("--set-version", metavar="X.Y.Z", help="write a version to every place that has it, and end")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    # Of the second time, where there is no checkout.
    parser.add_argument("--commit", help=argparse.SUPPRESS)
    parser.add_argument("--time", type=int, help=argparse.SUPPRESS)
    add_version(parser)
    parser.set_defaults(run="release.commands:run")
    return parser


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
