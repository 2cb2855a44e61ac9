"""Recipes are data, and a mistake in one is told with its file, line and key."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from supervisor.options import UnhosedConfigParser

from docs.reference.recipe_page import recipe_reference
from env.platforms import AMD64, ARM64
from env.spec import ROOT
from images.build.build import Build
from images.check.live_server import _variables as live_variables
from images.errors import PlatformNotOfferedError, RecipeError, UnknownImageError
from images.recipe.checks import VARIABLES
from images.recipe.recipe import PARTS, RECIPES, Directory, Service, load_recipe, read_recipe, recipe_names
from images.recipe.schema import MODELS, schema_of
from images.rootfs.parts import matches, program


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A copy of the jupyter image's recipe and parts."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(RECIPES / "jupyter" / "image.toml", folder)
    shutil.copytree(PARTS, folder / "parts")
    return folder


def test_every_recipe_reads_and_runs_as_somebody() -> None:
    assert "jupyter" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).user.uid > 0


def test_an_unknown_image_is_told_with_those_there_are() -> None:
    with pytest.raises(UnknownImageError, match="'jupiter': there are recipes for builder, jupyter, jupyter-ml"):
        load_recipe("jupiter")


def test_an_unknown_key_is_told_with_its_line(recipe: Path) -> None:
    path = recipe / "image.toml"
    head, _, checks = path.read_text().partition("\n[[check]]")
    path.write_text(f'{head}\ncolour = "blue"\n[[check]]{checks}')
    line = head.count("\n") + 2
    with pytest.raises(RecipeError, match=rf"image.toml:{line}: unknown key 'colour'"):
        read_recipe(recipe)


def test_an_unknown_part_is_told_with_those_there_are(recipe: Path) -> None:
    path = recipe / "image.toml"
    path.write_text(path.read_text().replace('"supervisord"', '"supervisor"'))
    with pytest.raises(RecipeError, match=r"unknown part 'supervisor': there are .*\bbase, .*\bsupervisord"):
        read_recipe(recipe)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("uid = 1000", "uid = 0", "user.uid: Input should be greater than 0"),
        ('mode = "1777"', 'mode = "99"', "mode: String should match"),
        ('why = "documentation; copyright files stay"', 'why = ""', "why: String should have at least 8"),
        ('command = ["git", "--version"]', "", "a check has one of the verbs file, command"),
        ('title = "Debian', "title = Debian", "not TOML"),
    ],
)
def test_a_value_that_does_not_fit_is_told(recipe: Path, old: str, new: str, told: str) -> None:
    path = recipe / "parts" / "base" / "part.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=told):
        read_recipe(recipe)


def test_an_image_without_a_user_is_refused(recipe: Path) -> None:
    path = recipe / "parts" / "base" / "part.toml"
    text = path.read_text()
    start = text.index("[user]")
    path.write_text(text[:start] + text[text.index("[[directory]]") :])
    with pytest.raises(RecipeError, match="must not run as root"):
        read_recipe(recipe)


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("usr/share/doc/git/README", "usr/share/doc/**", True),
        ("usr/share/docs", "usr/share/doc/**", False),
        ("a/b/c.map", "a/**/*.map", True),
        ("a/c.map", "a/**/*.map", True),
        ("a/b/c.map.js", "a/**/*.map", False),
        ("lib/numpy/tests/x.py", "lib/{numpy,scipy}/**/tests/**", True),
        ("lib/numpyro/tests/x.py", "lib/{numpy,scipy}/**/tests/**", False),
        ("a/b", "a/?", True),
        ("a+b", "a.b", False),
        ("a,b", "a,b", True),
        ("a", "a,b", False),
        ("b", "a,b", False),
        ("x,a,y", "x,{a,b},y", True),
        ("x,a", "x,{a,b},y", False),
        ("a", "{a,{b,c}}", True),
        ("c", "{a,{b,c}}", True),
        ("{a,b", "{a,b", True),
        ("a", "{a,b", False),
        ("a}", "a}", True),
        ("a,b}", "a,b}", True),
    ],
)
def test_globs_stay_within_folders_unless_told(path: str, pattern: str, *, fits: bool) -> None:
    assert matches(path, pattern) is fits


def test_a_service_is_a_supervisord_program_that_is_restarted() -> None:
    text = program("x", Service(command=("a", "b"))).decode()
    assert text.startswith("[program:x]\ncommand=a b\nautorestart=true\n")


@pytest.mark.parametrize(
    "words",
    [
        ("sh", "-c", "echo 50% done; x"),
        ("sh", "-c", "a ; b # c"),
        ("sh", "-c", "a\u00a0;b  #c ;;## ;"),
        ("a b", "", "'", '"', "it's", '"q"', "\\", "$HOME", "%(here)s", "%%", "#", ";", " ; ", "=", "[x]", "é"),
    ],
)
def test_a_services_words_reach_it_as_they_are_written(words: tuple[str, ...]) -> None:
    text = program("x", Service(command=words)).decode()
    # What supervisord does: its parser, its expansions, and the words of its command.
    parser = UnhosedConfigParser()
    parser.expansions = {"here": "/etc"}
    parser.read_string(text)
    command = parser.saneget("program:x", "command")
    assert tuple(shlex.split(command)) == words
    assert parser.saneget("program:x", "autorestart") == "true"


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "a\0b"])
def test_a_services_word_is_one_line(word: str) -> None:
    with pytest.raises(ValidationError):
        Service(command=("sh", "-c", word))


@pytest.mark.parametrize("mode", ["4755", "2775", "6755", "755"])
def test_a_directory_has_no_special_rights(mode: str) -> None:
    with pytest.raises(ValidationError):
        Directory(path="/a", mode=mode)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_published_schema_is_that_of_the_program(name: str) -> None:
    assert (ROOT / "docs" / "reference" / "schemas" / f"{name}.schema.json").read_text() == schema_of(name)


def test_the_reference_is_that_of_the_program() -> None:
    page = (ROOT / "docs" / "reference" / "recipes.md").read_text()
    assert page == recipe_reference()
    command = [sys.executable, "-m", "images", "schema", "reference"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == page


def test_the_reference_has_every_variable_that_recipes_use_and_a_value_for_each() -> None:
    used: set[str] = set()
    for name in recipe_names():
        recipe = load_recipe(name)
        checks = [*recipe.image.check, *(check for part in recipe.parts for check in part.part.check)]
        used |= set(re.findall(r"\$\{([A-Z_]+)", "".join(check.model_dump_json() for check in checks)))
    known = {name.partition(":")[0].removesuffix("NAME") for name in VARIABLES}
    assert {name if name in known else "ENV_" for name in used} <= known
    config = {"Env": ["HOME=/h", "PATH=/bin"], "ExposedPorts": {"8888/tcp": {}}, "Volumes": {"/h/work": {}}}
    given = live_variables(config, "http://h:1/")
    for variable in ("HOME", "CONTAINER_IP", "HOST_PORT:8888", "VOLUME_PATH:work", "ENV_PATH", "RUN"):
        assert given.fill(f"${{{variable}}}")


def test_the_cuda_image_is_for_amd64_and_says_why_not_for_arm64() -> None:
    recipe = load_recipe("jupyter-ml")
    assert Build(recipe, (AMD64,), "cuda").needed()
    with pytest.raises(PlatformNotOfferedError, match=r"vLLM and PyTorch with CUDA are locked for amd64 only: use"):
        Build(recipe, (ARM64,), "cuda")
