"""The documentation's examples, from the pages' own text: they can be read, and ./noxw takes them as they are."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import env.cli.main
import images.cli.main
from door.main import chosen
from images.recipe.recipe import read_recipe
from tests.support.documents import ROOT, Block, blocks, noxw_commands, pages, shell_lines, write_files

HOW_TO = ROOT / "docs" / "how-to" / "build-your-own-image.md"
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [(page, line, words) for page in PAGES for line, words in noxw_commands(page)]
PREFIXES = {"build-image": ["build"], "test-image": ["check"], "images": []}
LANGUAGES = {"sh", "toml", "json", "yaml", "python", "nginx", "text"}


def sessions() -> list[str]:
    noxfile = (ROOT / "noxfile.py").read_text()
    return [
        line.split('"')[1] for line in noxfile.splitlines() if line.startswith(("@declared(", "@nox.session(name="))
    ]


def session_parser(name: str) -> tuple[argparse.ArgumentParser, list[str]] | None:
    if name in PREFIXES:
        return images.cli.main._parser(), PREFIXES[name]
    return (env.cli.main._parser(), [name]) if name in ("lock", "fetch", "verify", "store") else None


def refused(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """Return what a parser has against a command line; nothing if it takes it."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):
        parser.parse_args(words)
    return told.getvalue()


def test_there_are_examples_to_try() -> None:
    assert len(BLOCKS) > 30
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=str)
def test_a_block_of_commands_runs_through_the_door_or_says_why_it_is_not_tried(block: Block) -> None:
    foreign = [line for line in shell_lines(block.text) if not line.startswith(("./noxw ", 'eval "$(./noxw '))]
    if foreign:
        assert block.not_run, f"not tried: {foreign}"
    else:
        assert not block.not_run, "everything in it is tried"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language != "sh"], ids=str)
def test_an_example_of_a_format_can_be_read(block: Block) -> None:
    match block.language:
        case "toml":
            assert tomllib.loads(block.text)
        case "json":
            assert json.loads(block.text)
        case "yaml":
            assert list(yaml.safe_load_all(block.text))
        case "python":
            compile(block.text, str(block), "exec")
        case "nginx":
            assert block.not_run, "say where it is tried"


@pytest.mark.parametrize(
    ("page", "line", "words"), COMMANDS, ids=[f"{page.name}: {line}" for page, line, _ in COMMANDS]
)
def test_a_command_on_a_page_is_taken_as_it_is_written(
    page: Path, line: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A layout that was not built is no mistake of the page.
    monkeypatch.setattr(env.cli.main, "_layout", Path)
    at = words.index("--") if "--" in words else len(words)
    ours, theirs = words[1:at], words[at + 1 :]
    for name in chosen(ours):
        if name == "SESSION":
            continue
        assert name in sessions(), f"{page}: {line}"
        found = session_parser(name)
        # `…` stands for what the text before it has said, [X] for what may be left out.
        if found is None or not theirs or "…" in line or "[" in line or "--help" in theirs or "--version" in theirs:
            continue
        parser, before = found
        told = refused(parser, [*before, *theirs])
        # Text may name a command alone: `./noxw -s images -- size`.
        named = "arguments are required" in told and f"`{line}`" in page.read_text()
        assert not told or named, f"{page}: {line}: {told}"


@pytest.mark.parametrize("prefix", ["lab/", "mine/", "own/"])
def test_the_recipes_of_the_how_to_are_recipes(prefix: str, tmp_path: Path) -> None:
    write_files(HOW_TO, tmp_path, prefix)
    recipe = read_recipe(tmp_path)
    assert [part.name for part in recipe.parts] == list(recipe.image.parts)


def test_the_first_recipe_of_the_how_to_can_be_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(HOW_TO, tmp_path, "lab/")
    assert images.cli.main.main(["build", "--recipe", str(tmp_path), "--plan"]) == 0, capsys.readouterr().err
    assert "jupyterlab" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_a_digest_that_the_next_build_changes(page: Path) -> None:
    assert re.findall(r"sha256:[0-9a-f]{6,}", page.read_text()) == []
