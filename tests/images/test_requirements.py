"""An image of one's own Python packages: requirements, a lock, wheels of the real index, an image a platform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from env.intake.pylock import PYLOCK
from env.intake.requirements_txt import REQUIREMENTS
from env.store.store import Store

from .conftest import IMAGE, REPOSITORY, images
from .test_mistakes import told

pytestmark = pytest.mark.network

PART = """
title = "A table"
[install]
locks = ["environment"]
# As the small image has it, so that its base is this one's too.
[[directory]]
path = "/home/jovyan/greetings"
owner = "user"
[[check]]
id = "prints-a-table"
scope = "build"
command = ["python", "-c", "import markupsafe._speedups as _, tabulate as t; print(t.tabulate([[1]]), t.__version__)"]
stdout = { contains = "0.9.0" }
[[check]]
id = "markupsafe"
scope = "build"
package = "markupsafe"
version = ">=3"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "parts" / "table").mkdir(parents=True)
    (folder / "image.toml").write_text(IMAGE.replace('"base", "hello"', '"base", "table"').replace('"tiny"', '"mine"'))
    (folder / "parts" / "table" / "part.toml").write_text(PART)
    (folder / REQUIREMENTS).write_text("tabulate==0.9.0\nmarkupsafe>=3  # has C in it\ncolorama; os_name == 'nt'\n")
    return folder


def env(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "env", *map(str, arguments)]
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_image_of_ones_own_requirements_runs_on_both_platforms(recipe: Path, store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out"
    build = ("build", "--recipe", recipe, "--store", store.root, "--output", output, "--json")
    early = images(*build)
    assert early.returncode == 66
    assert f"make it with `./noxw -s lock -- --recipe {recipe}`" in told(early)
    locked = env("lock", "--recipe", recipe)
    assert locked.returncode == 0, locked.stderr
    assert "+ tabulate 0.9.0" in locked.stderr
    fetched = env("fetch", "--recipe", recipe, "--store", store.root)
    assert fetched.returncode == 0, fetched.stderr
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    run = images(*build, env=nowhere)
    assert run.returncode == 0, run.stderr
    for one in json.loads(run.stdout)["platforms"]:
        assert [layer["name"] for layer in one["layers"]] == [
            "debian",
            "environment",
            "markupsafe",
            "tabulate",
            "image",
        ]
        assert [layer["reused"] for layer in one["layers"] if layer["name"] != "environment"] == [
            True,
            False,
            False,
            False,
        ]
    assert images("verify", output).returncode == 0
    checked = images("check", output, "--json")
    assert checked.returncode == 0, checked.stderr
    verdicts = json.loads(checked.stdout)
    assert {one["where"] for one in verdicts} == {"linux/amd64", "linux/arm64"}
    # A lock that is there keeps its versions, and a spec that changed is told before anything is built.
    content = (recipe / PYLOCK).read_text()
    assert env("lock", "--recipe", recipe).returncode == 0
    assert (recipe / PYLOCK).read_text() == content
    (recipe / REQUIREMENTS).write_text("tabulate==0.8.10\n")
    stale = images(*build)
    assert stale.returncode == 66
    assert "`tabulate==0.8.10` is asked for on linux/amd64, and it has 0.9.0" in told(stale)


def _of_overlay(platform: dict[str, Any]) -> list[str]:
    return [layer["name"] for layer in platform["layers"] if layer["name"].startswith("overlay-")]


def test_the_extension_can_be_among_ones_own_requirements(recipe: Path) -> None:
    image = recipe / "image.toml"
    image.write_text(image.read_text().replace('"base", "table"', '"base", "table", "jupyter-mcp"'))
    assert env("lock", "--recipe", recipe).returncode == 0
    plan = ("build", "--recipe", recipe, "--plan", "--json")
    # What is not asked for is added from this project's own lock, over the recipe's.
    lacking = images(*plan)
    assert lacking.returncode == 0, lacking.stderr
    assert _of_overlay(json.loads(lacking.stdout)["platforms"][0])
    with (recipe / REQUIREMENTS).open("a") as file:
        file.write("jupyter-mcp-rooms\n")
    locked = env("lock", "--recipe", recipe)
    assert locked.returncode == 0, locked.stderr
    run = images(*plan)
    assert run.returncode == 0, run.stderr
    for one in json.loads(run.stdout)["platforms"]:
        names = {package["name"] for layer in one["layers"] for package in layer["packages"]}
        assert {"fastmcp", "jupyter-server", "markupsafe", "tabulate"} <= names
        assert "jupyter-mcp-rooms" not in names, "that comes from the checkout"
        assert not _of_overlay(one)


def test_what_can_not_be_locked_is_told_and_the_old_lock_stays(recipe: Path) -> None:
    assert env("lock", "--recipe", recipe).returncode == 0
    content = (recipe / PYLOCK).read_text()
    # It has wheels for amd64 alone.
    (recipe / REQUIREMENTS).write_text("tabulate\nnvidia-nvtx-cu12==12.1.105\n")
    run = env("lock", "--recipe", recipe)
    assert run.returncode == 65, run.stderr
    assert "nvidia-nvtx-cu12 12.1.105 has no wheel for linux/arm64" in run.stderr
    (recipe / REQUIREMENTS).write_text("tabulate==0.0.0.1\n")
    assert env("lock", "--recipe", recipe).returncode == 71
    (recipe / REQUIREMENTS).unlink()
    assert env("lock", "--recipe", recipe).returncode == 65
    assert (recipe / PYLOCK).read_text() == content
    assert env("lock", "base", "--recipe", recipe).returncode == 2
