"""Help: there before anything is made, and for every command and argument."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import env.cli.main
import images.cli.main
from env.formats.environments import ENVIRONMENTS
from env.names import ENVIRONMENT_NAMES
from images.check.reports import FORMATS as REPORTED
from images.names import EXPORT_FORMATS, REPORT_FORMATS, SCHEMAS
from images.oci.export import FORMATS as EXPORTED
from images.recipe.schema import MODELS

ROOT = Path(__file__).parents[3]


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


ALL = [*parsers(env.cli.main.parser()), *parsers(images.cli.main.parser())]


def without_packages(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-m", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: str(parser.prog))
def test_every_command_and_argument_has_a_description(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    lacking = [
        action.dest for action in parser._actions if not action.help and action.metavar not in ("COMMAND", "ACTION")
    ]
    assert lacking == []


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: str(parser.prog))
def test_an_exit_code_that_help_names_is_one_of_the_table(parser: argparse.ArgumentParser) -> None:
    table = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    known = {"0", "130", *re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert set(re.findall(r"[Cc]odes? (\d+)", " ".join(parser.format_help().split()))) <= known


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: str(parser.prog))
def test_every_page_says_how_it_is_run(parser: argparse.ArgumentParser) -> None:
    if parser.prog != "python -m env":
        assert parser.prog.startswith("./noxw -s ")
    assert "python -m" not in parser.format_help().replace("python -m env", "", int(parser.prog == "python -m env"))


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: str(parser.prog))
def test_every_command_has_something_to_run(parser: argparse.ArgumentParser) -> None:
    if run := parser.get_default("run"):
        module, _, name = run.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("words", [("env", "fetch"), ("env", "store", "prune"), ("images", "push"), ("images",)])
def test_help_needs_no_package(words: tuple[str, ...]) -> None:
    done = without_packages(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ./noxw -s ")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("images", "inspect", "jupyter"), "./noxw -s images -- inspect jupyter"),
        (("env", "verify", "--offline"), "./noxw -s verify -- --offline"),
    ],
)
def test_where_packages_are_missing_it_says_what_to_run(words: tuple[str, ...], advice: str) -> None:
    done = without_packages(*words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"run `{advice}`" in done.stderr


def test_the_names_in_the_help_are_those_that_are_taken() -> None:
    assert set(ENVIRONMENT_NAMES) == set(ENVIRONMENTS)
    assert EXPORT_FORMATS == EXPORTED
    assert set(REPORT_FORMATS) == {"text", *REPORTED}
    assert set(SCHEMAS) == {*MODELS, "reference"}
