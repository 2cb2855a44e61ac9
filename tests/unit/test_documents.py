"""The documentation's examples, from the pages' own text: they can be read, and ./noxw takes them as they are."""

from __future__ import annotations

import json
import re
import shlex
import signal
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

import env.cli.main
import images.cli.main
from images.recipe.recipe import read_recipe
from tests.support.command_lines import fault, setting_fault
from tests.support.documents import ROOT, Block, blocks, commands, pages, shell_lines, write_files

HOW_TO = ROOT / "docs" / "how-to" / "build-your-own-image.md"
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [(page, line, words) for page in PAGES for line, words in commands(page)]
LANGUAGES = {"{eval-rst}", "sh", "toml", "json", "yaml", "python", "nginx", "text"}


def test_there_are_examples_to_try() -> None:
    assert len(BLOCKS) > 30
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.run_by], ids=str)
def test_what_is_said_to_run_a_block_is_there(block: Block) -> None:
    place, _, name = str(block.run_by).partition("::")
    text = (ROOT / place).read_text()
    assert not name or f"def {name}(" in text
    assert name or all(line.split(" #")[0].strip() in text for line in shell_lines(block.text))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=str)
def test_a_block_of_commands_is_run_or_says_why_it_is_not(block: Block) -> None:
    """Those without a mark are run by tests/env/test_page_commands.py, which takes what needs the checkout alone."""
    if block.not_run or block.run_by:
        return
    foreign = [line for line in shell_lines(block.text) if not line.startswith(("./noxw ", 'eval "$(./noxw '))]
    assert foreign == [], "say why it is not run, or what runs it"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.output is not None], ids=str)
def test_an_output_on_a_page_is_compared_by_what_runs_the_commands(block: Block) -> None:
    assert not block.not_run, "an output that no test sees goes stale"
    by = "tests/env/test_page_commands.py" if block.page.name == "README.md" else block.run_by or ""
    assert not by or "difference(" in (ROOT / by.partition("::")[0]).read_text()


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
    page: Path, line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    # A layout that was not built, and a folder of the reader's, are no mistakes of the page.
    monkeypatch.setattr(env.cli.main, "_layout", Path)
    monkeypatch.setattr(Path, "is_dir", lambda _: True)

    def pytest_fault(arguments: Sequence[str]) -> str:
        unknown = pytestconfig._parser.parse_known_and_unknown_args(list(arguments))[1]
        return f"pytest does not know {unknown}" if unknown else ""

    told = fault(words, pytest_fault)
    # Text may name a command alone: `./noxw -s images -- size`.
    named = "arguments are required" in told and f"`{line}`" in page.read_text()
    assert not told or named, f"{page}: {line}: {told}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_setting_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"\b([A-Z]\w+)\.([a-z]\w+)\b", page.read_text())
    assert [told for owner, trait in named if (told := setting_fault(owner, trait))] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("./noxw -s tset-image", "there is no session"),
        ("./noxw -s build-image -- --form DIR", "unrecognized arguments"),
        ("./noxw -s images -- psuh jupyter x", "invalid choice"),
        ("./noxw -s bench -- --measure cells", "unrecognized arguments"),
        ("./noxw -s run -- python -m benchmarks.images --round 5", "unrecognized arguments"),
        ("./noxw -s lab -- --prot 8890", "no option --prot"),
        ("./noxw -s lab -- --ServerApp.prot=8890", "no setting prot"),
        ("./noxw -s tests -- --slwo", "does not know"),
        ("./noxw -s lint -- --fix", "takes no arguments"),
        ("jupyter mcp conect claude-code", "invalid choice"),
        ("jupyter mcp connect claud-code", "it is one of"),
        ("python -m images chek jupyter", "invalid choice"),
        ("jupyter lab --JupyterMCP.max_kernel=3", "no setting max_kernel"),
    ],
)
def test_a_mistake_in_a_command_would_be_found(line: str, told: str, pytestconfig: pytest.Config) -> None:
    def pytest_fault(arguments: Sequence[str]) -> str:
        unknown = pytestconfig._parser.parse_known_and_unknown_args(list(arguments))[1]
        return f"pytest does not know {unknown}" if unknown else ""

    assert told in fault(shlex.split(line), pytest_fault)


@pytest.mark.parametrize("prefix", ["lab/", "mine/", "own/"])
def test_the_recipes_of_the_how_to_are_recipes(prefix: str, tmp_path: Path) -> None:
    write_files(HOW_TO, tmp_path, prefix)
    recipe = read_recipe(tmp_path)
    assert [part.name for part in recipe.parts] == list(recipe.image.parts)


def test_the_first_recipe_of_the_how_to_can_be_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(HOW_TO, tmp_path, "lab/")
    before = signal.getsignal(signal.SIGTERM)
    assert images.cli.main.main(["build", "--recipe", str(tmp_path), "--plan"]) == 0, capsys.readouterr().err
    assert "jupyterlab" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_a_digest_that_the_next_build_changes(page: Path) -> None:
    assert re.findall(r"sha256:[0-9a-f]{6,}", page.read_text()) == []
