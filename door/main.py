"""The command line of `./noxw`: its own help and version, and nox for all else."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from door.environments import LAB, Environments
from door.errors import DoorError, UsageError
from door.interpreters import asked, found, start_again
from door.running import call, failures
from door.sessions import Door, doors

ROOT = Path(__file__).parent.parent
INTERRUPTED = 130
COMPLETING = "_ARGCOMPLETE"
"""The variable that a shell sets to ask for completions (argcomplete's)."""
STDLIB_ALONE = ("env", "images", "release", "release.package", "docs.site")
"""Programs whose help needs no package, so no environment."""
_CHOOSE = ("-s", "-e", "--session", "--sessions")
_HELP = ("-h", "--help")
_PAGE = """\
usage: ./noxw -s SESSION [-- ARGUMENTS]

JupyterLab that people and AI agents edit together: locked environments, the images that are made of them, and the MCP
server extension. This is the one command of the checkout; it makes what a session needs and keeps it.

Begin with:
  ./noxw -s lab            work in it now: JupyterLab with MCP at /mcp
  ./noxw -s build-image    build the images of both platforms

Sessions:
{sessions}

  ./noxw -s SESSION -- --help   what a session does, and its arguments
  ./noxw --python 3.13 -s tests  in another Python than the first that fits
  ./noxw --version              versions
  eval "$(./noxw --completion)"  completion for bash
  ./noxw -l                     the sessions; every other option is nox's: ./noxw --nox-help

Documentation: README.md, docs/how-to/, docs/reference/command-line.md (also exit codes and completion).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return the exit code of the first program that failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETING in os.environ:
        # The line that is completed is in other variables, which nox reads.
        return _nox([])
    try:
        return _run(words)
    except DoorError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(words: list[str]) -> int:
    ours, theirs = _parted(words)
    python, ours = asked(ours)
    words = [*ours, *(["--", *theirs] if "--" in words else [])]
    if python is not None:
        start_again(ROOT / "noxw", found(python), words)
    sessions = chosen(ours)
    known = doors()
    for name in sessions:
        _require_known(name, list(known))
    if "--completion" in ours:
        print(importlib.import_module("argcomplete").shellcode(["noxw"]))  # noqa: T201 - the result
        return 0
    if "--version" in ours:
        print(version())  # noqa: T201 - the result
        return 0
    # Of what follows --, a later word may be another program's: run -- python --help.
    if {*_HELP} & {*ours, *(theirs if sessions and known[sessions[0]].program else theirs[:1])} and len(sessions) == 1:
        return show_help(known[sessions[0]], [word for word in (*ours, *theirs) if word not in _HELP])
    # Nothing at all is a question too: a newcomer's. nox would begin with half an hour of tests.
    if not words or {*_HELP} & {*ours}:
        print(_PAGE.format(sessions=listing(known)), end="")  # noqa: T201 - the result
        return 0
    if ours and not ours[0].startswith("-"):
        close = difflib.get_close_matches(ours[0], known, 1)
        raise UsageError(
            f"{ours[0]!r} is no option: run ./noxw -s {close[0] if close else 'SESSION'}, or ./noxw --help"
        )
    return _nox(["--help" if word == "--nox-help" else word for word in words])


def _nox(words: list[str]) -> int:
    # Wherever it is called from.
    sys.argv = ["./noxw", "--noxfile", str(ROOT / "noxfile.py"), *words]
    try:
        importlib.import_module("nox").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        if isinstance(end.code, str):
            _say(end.code)
        return failures[0] if code and failures else code
    return 0


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def chosen(words: Sequence[str]) -> list[str]:
    """Return the sessions that nox's own words name."""
    found: list[str] = []
    taking = False
    for word in words:
        option, equals, value = word.partition("=")
        if option in _CHOOSE:
            taking = True
            found += [value] if equals else []
        elif word.startswith("-"):
            taking = False
            # -slint is nox's too.
            found += [word[2:]] if word[:2] in _CHOOSE else []
        elif taking:
            found.append(word)
    return found


def _require_known(name: str, known: list[str]) -> None:
    # nox takes tests(a=1) and tests-3.11 for sessions that are made several times.
    if any(name == one or name.startswith((f"{one}(", f"{one}-")) for one in known):
        return
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean ./noxw -s {close[0]}? " if close else ""
    raise UsageError(f"there is no session {name!r}: {meant}./noxw --help lists them")


def listing(known: dict[str, Door]) -> str:
    """Return a line a session, with what it does."""
    width = max(map(len, known))
    return "\n".join(f"  {name:{width}}  {one.summary}" for name, one in known.items())


def show_help(door: Door, words: list[str]) -> int:
    """Print what a session does, and what its program says of its arguments; make nothing."""
    if door.program is None:
        print(f"usage: ./noxw -s {door.name}{door.usage}\n\n{door.about}")  # noqa: T201 - the result
        return 0
    # A command's own words choose the page: images -- push --help.
    commands = [word for word in words if not word.startswith("-") and word != door.name]
    command = ("-m", *door.program, *commands[:2], "--help")
    if door.program[0] in STDLIB_ALONE:
        return subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode
    with Environments().ready(LAB) as environment:
        return call(environment, ("python", *command), {})


def version() -> str:
    """Return the versions of the project and of what runs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{project['name']} {project['version']} (nox {importlib.metadata.version('nox')}, Python {python})"


def _say(text: str) -> None:
    print(f"noxw: {text}", file=sys.stderr)  # noqa: T201 - there is no rich here
