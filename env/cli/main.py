"""The command line ``python -m env``, which the nox sessions lock, verify, fetch and store call.

Only the standard library is needed to read it and to print its help: `entry.enter` imports what a command does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from env.cli.entry import CommandParser, add_version, command_line, enter, paragraphs, words
from env.names import ENVIRONMENT, ENVIRONMENT_NAMES, PLATFORM_EXAMPLE, RECORDS_VARIABLE, STORE_DEFAULT, TARGETS

_OF_A_RECIPE = {
    "env.cli.commands:run_fetch": "images.cli.fetch:run_fetch",
    "env.cli.store:run_copy": "images.cli.fetch:run_copy",
}
_RAW = argparse.RawDescriptionHelpFormatter


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (errors.py lists them)."""
    made = parser()
    given = None if arguments is None else list(arguments)
    options = made.parse_args(given)
    if options.command == "lock" and options.recipe is not None and options.target:
        made.error("--recipe locks what a recipe brings: name no other set beside it")
    if options.command == "lock" and options.debian and options.recipe is None:
        made.error("--debian locks what a recipe or project asks for: name it with --recipe DIR")
    of_a_recipe = any(getattr(options, name, None) for name in ("environment", "extra", "group", "with_what"))
    if of_a_recipe and options.recipe is None:
        made.error(
            "--environment, --extra, --group and --with are for a recipe or a project: name it with --recipe DIR"
        )
    if getattr(options, "recipe", None) is not None and options.run in _OF_A_RECIPE:
        # What a recipe is, images knows.
        options.run = _OF_A_RECIPE[options.run]
    session, _, rest = command_line(given).partition(" ")
    return enter(options, f"./noxw -s {session} -- {rest}".removesuffix(" -- "))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = CommandParser(
        prog="python -m env", description="Locks, and the files that they name. Each command is a session of ./noxw."
    )
    add_version(made)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_lock(commands)
    _add_fetch(commands)
    _add_verify(commands)
    _add_store(commands)
    return made


def _add_lock(commands: argparse._SubParsersAction[CommandParser]) -> None:
    lock = commands.add_parser(
        "lock",
        prog="./noxw -s lock --",
        formatter_class=_RAW,
        help="resolve the specs and write the locks",
        description=paragraphs(
            "Resolve what the specs ask for into locks: exact versions with their sha256, for both platforms. "
            "Versions that are locked already stay, unless --upgrade frees them.\n\n"
            "  base     env/debian.toml: Debian packages below every image\n"
            "  wheels   pyproject.toml: Python packages of PyPI, and what goes over them\n"
            "  tools    pyproject.toml: what the sessions themselves run\n"
            "  conda    pixi.toml: packages of conda-forge, into pixi.lock and conda-lock.yml\n"
            "  cuda     pyproject.toml: the packages of jupyter-ml"
        ),
        epilog="examples:\n"
        "  ./noxw -s lock                                  lock everything again\n"
        "  ./noxw -s lock -- wheels --upgrade polars       take a newer polars\n"
        "  ./noxw -s lock -- --recipe path/to/lab          lock your own requirements.txt\n"
        "  ./noxw -s lock -- --recipe path/to/lab --debian   lock your own Debian packages",
    )
    # No `choices`: argparse applies them to the empty list of `*` too.
    lock.add_argument(
        "target", nargs="*", type=_target, metavar="SET", help=f"{', '.join(TARGETS)} (default: all of them)"
    )
    lock.add_argument(
        "--upgrade",
        nargs="*",
        metavar="NAME",
        help="let these packages change their version; all packages if none is named",
    )
    lock.add_argument(
        "--recipe",
        type=Path,
        metavar="DIR",
        help="lock what DIR asks for, and nothing else: its requirements.txt, its Debian packages",
    )
    lock.add_argument(
        "--debian",
        action="store_true",
        help="with --recipe: lock the Debian packages alone that DIR asks for, in image.toml or apt.txt",
    )
    lock.add_argument(
        "--platform",
        metavar="LIST",
        help=f"with --recipe: the platforms that must have wheels, {PLATFORM_EXAMPLE} (default: all)",
    )
    lock.add_argument(
        "--exclude-newer", metavar="DATE", help="ignore Python packages published after DATE, e.g. 2026-11-01"
    )
    folder = os.environ.get(RECORDS_VARIABLE)
    source = lock.add_mutually_exclusive_group()
    source.add_argument(
        "--records",
        type=Path,
        default=Path(folder) if folder else None,
        metavar="DIR",
        help=f"solve conda against the records in DIR, not the channel (default: ${RECORDS_VARIABLE})",
    )
    source.add_argument(
        "--live", action="store_true", help=f"solve conda against the channel, whatever ${RECORDS_VARIABLE} says"
    )
    lock.set_defaults(run="env.cli.commands:run_lock")


def _add_fetch(commands: argparse._SubParsersAction[CommandParser]) -> None:
    fetch = commands.add_parser(
        "fetch",
        prog="./noxw -s fetch --",
        formatter_class=_RAW,
        help="download what the locks name into the store",
        description=paragraphs(
            "Download what the locks name into the store, so that builds need no network. Each file is compared "
            "with its sha256; what was interrupted goes on where it stopped."
        ),
        epilog="examples:\n"
        "  ./noxw -s fetch                                 everything for the environment wheels\n"
        "  ./noxw -s fetch -- --env conda --platform linux/arm64\n"
        "  ./noxw -s fetch -- --check                      read every stored file again",
    )
    _add_what(fetch)
    fetch.add_argument("--store", type=Path, metavar="DIR", help=f"the store (default: {STORE_DEFAULT})")
    fetch.add_argument(
        "--check", action="store_true", help="read every stored file again, and replace those that changed"
    )
    fetch.set_defaults(run="env.cli.commands:run_fetch")


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", type=Path, metavar="DIR", help="what the image of a recipe or project of your own needs"
    )
    for name, what in (
        (
            "environment",
            "with --recipe: the environments of the project's lock that go in (default: the lock's default)",
        ),
        ("extra", "with --recipe: extras of the project that go in"),
        ("group", "with --recipe: dependency groups of the project that go in"),
    ):
        parser.add_argument(f"--{name}", type=words, action="extend", default=[], metavar="LIST", help=what)
    parser.add_argument(
        "--with",
        dest="with_what",
        choices=("jupyter",),
        help="with --recipe: what serving a project's environment needs too, as `build-image --with` adds it",
    )
    parser.add_argument("--platform", metavar="LIST", help=f"{PLATFORM_EXAMPLE} (default: all)")
    parser.add_argument(
        "--env",
        choices=ENVIRONMENT_NAMES,
        help=f"where packages come from (default: {ENVIRONMENT}, with --recipe the recipe's first)",
    )


def _add_verify(commands: argparse._SubParsersAction[CommandParser]) -> None:
    verify = commands.add_parser(
        "verify",
        prog="./noxw -s verify --",
        formatter_class=_RAW,
        help="check that every lock is up to date with its spec, and whole",
        description=paragraphs(
            "Check that every lock is up to date with its spec, is for both platforms, and that its packages "
            "fit together. Each fault is printed with its package and platform; exit code 1 if there are any. Last it "
            "says whether everything could be resolved at once today, which asks the package index."
        ),
        epilog="example: ./noxw -s verify -- --offline",
    )
    verify.add_argument("--offline", action="store_true", help="leave out what asks the package index")
    verify.set_defaults(run="env.cli.commands:run_verify")


def _add_store(commands: argparse._SubParsersAction[CommandParser]) -> None:
    store = commands.add_parser(
        "store",
        prog="./noxw -s store --",
        formatter_class=_RAW,
        help="check the store, make it smaller, or copy it for a place without a network",
        description=paragraphs("Look after the store, the folder of downloaded files that builds read."),
        epilog="examples:\n"
        "  ./noxw -s store -- check\n"
        "  ./noxw -s store -- prune --dry-run\n"
        "  ./noxw -s store -- copy /media/stick/store --platform linux/amd64",
    )
    actions = store.add_subparsers(required=True, metavar="ACTION")
    common = CommandParser(add_help=False)
    common.add_argument("--store", type=Path, metavar="DIR", help=f"the store (default: {STORE_DEFAULT})")
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    check = actions.add_parser(
        "check",
        parents=[common],
        help="read every file again, and print those that changed",
        description="Read every file in the store again, and print those whose content is not what their name says; "
        "exit code 1 if there are any.",
    )
    check.add_argument("--repair", action="store_true", help="delete them: the next fetch or build downloads them")
    check.set_defaults(run="env.cli.store:run_check")
    less = actions.add_parser(
        "prune",
        parents=[common],
        help="remove what no lock, no record of a build and no given layout needs",
        description="Remove what no lock of this checkout, no record of a build and no given layout needs. Refused "
        "while a build or a fetch uses the store (exit code 75).",
    )
    less.add_argument("--unused-for", type=float, metavar="DAYS", help="remove what builds made and did not use since")
    less.add_argument(
        "--keep", type=_layout, action="append", default=[], metavar="DIR", help="keep what this image layout needs"
    )
    less.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")
    less.set_defaults(run="env.cli.store:run_prune")
    carry = actions.add_parser(
        "copy",
        parents=[common],
        help="copy what the locks need into another folder",
        description="Copy what the locks of this checkout need into another folder, reading every file again.",
    )
    carry.add_argument("target", type=Path, metavar="DIR", help="an empty folder, or a store to add to")
    _add_what(carry)
    carry.set_defaults(run="env.cli.store:run_copy")


def _target(name: str) -> str:
    if name not in TARGETS:
        raise argparse.ArgumentTypeError(f"unknown set {name!r}: use {', '.join(TARGETS)}")
    return name


def _layout(name: str) -> Path:
    if not (Path(name) / "blobs" / "sha256").is_dir():
        raise argparse.ArgumentTypeError(f"{name} is no image layout")
    return Path(name)
