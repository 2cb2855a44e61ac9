"""The page of all commands with their options, docs/reference/commands.md, made from their parsers."""

# ruff: noqa: SLF001 - argparse tells its arguments and commands no other way

from __future__ import annotations

import argparse
from collections.abc import Iterator

import env.cli.main
import images.cli.main
from docs.site.__main__ import parser as docs_parser
from jupyter_mcp.cli.main import parser as mcp_parser

_HEAD = """\
# Commands and their options

<!-- Made by `./noxw -s run -- python -m docs.reference` from the commands' own parsers; do not edit. -->

What `--help` of each says. Sessions, variables and exit codes are in [command line](command-line.md).
"""


def commands_page() -> str:
    """Return the page's text."""
    parsers = (env.cli.main.parser(), images.cli.main.parser(), docs_parser(), mcp_parser())
    commands = [command for parser in parsers for command in _commands(parser, "")]
    return "\n".join([_HEAD, *(line for one, summary in commands for line in _command(one, summary))]).rstrip() + "\n"


def _commands(parser: argparse.ArgumentParser, summary: str) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser, summary
    for group in groups:
        said = {choice.dest: choice.help or "" for choice in group._choices_actions}
        done: set[int] = set()
        for name, one in group.choices.items():
            if id(one) not in done:
                yield from _commands(one, said.get(name, ""))
            done.add(id(one))


def _command(parser: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    yield from (f"## {parser.prog.removesuffix(' --')}", "")
    yield from ("```text", parser.description.strip() if parser.description else summary, "```", "")
    shown = [action for action in parser._actions if action.dest != "help"]
    if shown:
        yield from ("| argument | |", "| --- | --- |")
        yield from (f"| {_name(action)} | {_said(action, parser)} |" for action in shown)
        yield ""
    if parser.epilog and "example" in parser.epilog:
        yield from ("```text", parser.epilog.strip(), "```", "")


def _name(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return f"`{_value(action)}`"
    return ", ".join(f"`{option}{f' {value}' if value else ''}`" for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        name = action.metavar
    elif action.choices:
        name = "|".join(map(str, action.choices)).replace("|", "\\|")
    else:
        name = action.dest.upper()
    return {"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}.get(str(action.nargs), name)


def _said(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    known = {**vars(action), "prog": parser.prog, "choices": ", ".join(map(str, action.choices or ()))}
    return " ".join(((action.help or "") % known).split()).replace("|", "\\|")
