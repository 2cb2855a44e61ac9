"""Command lines as pages show them, given to the programs' own parsers: what would be refused, and nothing is run."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from door.main import chosen

ROOT = Path(__file__).parents[2]
OURS = ("benchmarks", "docs", "door", "env", "images", "jupyter_mcp", "release", "tests")
"""The packages of this repository that are started with `python -m`."""
_DECLARED = re.compile(r'^@declared\("([\w-]+)"(?:.*program=\(([^)]*)\))?', re.MULTILINE)
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
# `…` and [X] stand for what the text before has said or what may be left out, and capitals for a reader's own.
_STANDS_FOR_ARGUMENTS = ("…", "[")
_STANDS_FOR_A_NAME = {"CLIENT": "claude-code", "SESSION": "lint", "PORT": "8000", "DAYS": "30"}


class _ParsedError(BaseException):
    """Ends a program that has made its parser."""


@cache
def parser_of(program: str) -> argparse.ArgumentParser:
    """Return the parser that a module, or a script of the repository, makes for its command line."""
    made: list[argparse.ArgumentParser] = []
    real = argparse.ArgumentParser.parse_known_args

    def stop(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        made.append(parser)
        raise _ParsedError

    argparse.ArgumentParser.parse_known_args = stop  # type: ignore[method-assign, assignment]
    arguments, sys.argv = sys.argv, [program]
    try:
        with contextlib.suppress(_ParsedError):
            if program.endswith(".py"):
                runpy.run_path(str(ROOT / program), run_name="__main__")
            elif program == "jupyter_mcp.cli.main":
                importlib.import_module(program).main([])
            else:
                # A test may have imported it; runpy warns of that.
                names = (program, f"{program}.__main__")
                known = {name: sys.modules.pop(name) for name in names if name in sys.modules}
                try:
                    runpy.run_module(program, run_name="__main__")
                finally:
                    sys.modules.update(known)
    finally:
        argparse.ArgumentParser.parse_known_args = real  # type: ignore[method-assign]
        sys.argv = arguments
    for parser in _with_commands(made[0]):
        # A page writes an option out, so that it goes on to mean one thing.
        parser.allow_abbrev = False
    return made[0]


def _with_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _with_commands(command)


@cache
def sessions() -> dict[str, tuple[str, ...]]:
    """Return each session of the noxfile with the program that takes its arguments: module and command, or nothing."""
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    programs = {name: tuple(re.findall(r'"([^"]+)"', program)) for name, program in _DECLARED.findall(text)}
    return programs | {"labextension": ("labextension/build.py",)}


def fault(words: Sequence[str], pytest_fault: Callable[[Sequence[str]], str]) -> str:
    """Return what is wrong with a command line, nothing if its program takes it; `pytest_fault` judges pytest's."""
    words = [_STANDS_FOR_A_NAME.get(word, word) for word in words]
    match words:
        case ["./noxw", *rest]:
            return _noxw_fault(rest, pytest_fault)
        case ["jupyter", "mcp", *rest] | ["jupyter-mcp", *rest] | ["jupyter-mcp-rooms", *rest]:
            return refusal("jupyter_mcp.cli.main", rest)
        case ["jupyter", "lab", *rest]:
            return _lab_fault(rest)
        case [python, "-m", module, *rest] if _PYTHON.fullmatch(python) and module.split(".")[0] in OURS:
            return refusal(module, rest)
        case _:
            return ""


def refusal(program: str, words: Sequence[str]) -> str:
    """Return what a program's parser says against its words."""
    if any(mark in word for word in words for mark in _STANDS_FOR_ARGUMENTS) or {"--help", "--version"} & {*words}:
        return ""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser_of(program).parse_args(list(words))
        except SystemExit as end:
            return told.getvalue() if end.code else ""
    return ""


def _noxw_fault(words: list[str], pytest_fault: Callable[[Sequence[str]], str]) -> str:
    at = words.index("--") if "--" in words else len(words)
    theirs = words[at + 1 :]
    for name in chosen(words[:at]):
        if name not in sessions():
            return f"there is no session {name}"
        found = ""
        if program := sessions()[name]:
            found = refusal(program[0], [*program[1:], *theirs]) if theirs else ""
        elif name == "lab":
            found = _lab_fault(theirs)
        elif name == "run":
            found = fault(theirs, pytest_fault)
        elif name.startswith(("tests", "sdks")):
            found = "" if "--help" in theirs else pytest_fault(theirs)
        elif theirs not in ([], ["--help"]):
            found = f"the session {name} takes no arguments"
        if found:
            return found
    return ""


def _lab_fault(words: Sequence[str]) -> str:
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - only pages that name it pay for it

    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if word in {"--help", "--help-all", "--version"} or not word.startswith("--"):
            continue
        if "." in name:
            if told := setting_fault(*name.split(".", 1)):
                return told
        elif name not in LabApp.aliases and name not in LabApp.flags:
            return f"jupyter lab has no option --{name}"
    return ""


@cache
def configurable() -> dict[str, Any]:
    """Return the classes that pages name settings of."""
    places = {
        "JupyterMCP": "jupyter_mcp.app",
        "LabApp": "jupyterlab.labapp",
        "ServerApp": "jupyter_server.serverapp",
        "IdentityProvider": "jupyter_server.auth.identity",
        "PasswordIdentityProvider": "jupyter_server.auth.identity",
        "MappingKernelManager": "jupyter_server.services.kernels.kernelmanager",
        "EventLogger": "jupyter_events.logger",
        "SQLiteYStore": "jupyter_server_ydoc.stores",
    }
    return {name: getattr(importlib.import_module(module), name) for name, module in places.items()}


def setting_fault(owner: str, trait: str) -> str:
    """Return whether a class that we know lacks a trait that a page names, in words."""
    known = configurable().get(owner)
    if known is None or trait in known.class_trait_names(config=True):
        return ""
    return f"{owner} has no setting {trait}"
