"""A small image of one's own on the real base, and stores that hold what it needs without fetching it again."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from env.formats.lock import Lock
from env.platforms import PLATFORMS
from env.store.fetch import fetch
from env.store.store import Store
from images.build.build import Build
from images.recipe.recipe import read_recipe
from tests.support.warm import Warm

REPOSITORY = Path(__file__).parents[2]
# What the commands import, each when it is run, and shorter waits between attempts.
IMPORTED = (
    "tests.support.impatient",
    "env.cli.command",
    *(f"images.cli.{path.stem}" for path in (REPOSITORY / "images" / "cli").glob("[!_]*.py")),
    *(f"images.check.{name}" for name in ("live_server", "mcp_client", "reports", "run")),
)

IMAGE = """
name = "tiny"
title = "A small image"
description = "The base, and one file of one's own"
platforms = ["linux/amd64", "linux/arm64"]
environments = ["wheels"]
parts = ["base", "hello"]
created = 2026-11-01T00:00:00Z
"""
PART = """
title = "A greeting"
[config]
entrypoint = ["/usr/bin/tini", "--", "hello"]
volumes = { greetings = "~/greetings" }
[[directory]]
path = "/home/jovyan/greetings"
owner = "user"
[[check]]
id = "machine"
scope = "build"
command = ["uname", "-m"]
[[check]]
id = "greets"
scope = "deploy"
within = 60
file = "${VOLUME_PATH:greetings}/hello"
contains = "hello from 1000"
[[check]]
id = "is-not-root"
scope = "deploy"
user = "jovyan"
uid = 1000
"""
HELLO = """#!/bin/sh
trap 'exit 0' TERM
echo "hello from $(id -u)" >"$HOME/greetings/hello"
while :; do sleep 0.1; done
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of one's own, in a folder that the test may change."""
    return small_recipe(tmp_path)


def small_recipe(place: Path) -> Path:
    """Write the small image's recipe below `place`; give its folder."""
    folder = place / "tiny"
    part = folder / "parts" / "hello"
    (part / "rootfs" / "usr" / "local" / "bin").mkdir(parents=True)
    (folder / "image.toml").write_text(IMAGE)
    (part / "part.toml").write_text(PART)
    script = part / "rootfs" / "usr" / "local" / "bin" / "hello"
    script.write_text(HELLO)
    script.chmod(0o755)
    return folder


def filled(root: Path, locks: Sequence[Lock]) -> Store:
    """Make a store whose files are links into the user's own."""
    fetch(locks, Store(), console=Console(stderr=True))
    store = Store(root)
    for lock in locks:
        for file in lock.files:
            path = store.path(file.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.symlink_to(Store().path(file.sha256))
    return store


@pytest.fixture
def cold_store(tmp_path: Path, recipe: Path) -> Store:
    """A store with what the small image needs, and nothing that was made from it."""
    return filled(tmp_path / "store", Build(read_recipe(recipe), PLATFORMS, "wheels").needed())


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store in which the base's layers have been made, once for all tests and in the user's own store."""
    recipe = small_recipe(tmp_path_factory.mktemp("warm"))
    # What two workers make at once, both make.
    with (tmp_path_factory.getbasetemp().parent / "store.lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        run = images("build", "--recipe", recipe, "--env", "wheels", "--output", recipe / "out")
    assert run.returncode == 0, run.stderr
    warm = filled(tmp_path_factory.mktemp("store"), Build(read_recipe(recipe), PLATFORMS, "wheels").needed())
    for path in (Store().root / "sha256").glob("*/*"):
        link = warm.path(path.name)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(path)
    shutil.copytree(Store().root / "cache", warm.root / "cache")
    return warm


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The jupyter image of this checkout, from the user's own store."""
    folder = tmp_path_factory.mktemp("jupyter") / "layout"
    run = images("build", "jupyter", "--env", "wheels", "--output", folder)
    assert run.returncode == 0, run.stderr
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "images", *map(str, arguments)]


def images(
    *arguments: object, env: dict[str, str] | None = None, umask: int = 0o022, cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m images`` as a user does; `cold` where it matters what is read as Python starts."""
    settings = {**os.environ, **(env or {})}
    if cold:
        words = command(*arguments)
        return subprocess.run(
            words, cwd=REPOSITORY, env=settings, umask=umask, capture_output=True, text=True, check=False
        )
    return _warm().run("images", list(map(str, arguments)), env=settings, cwd=REPOSITORY, umask=umask)


@functools.cache
def _warm() -> Warm:
    """Return the process that commands are forked from, one for all tests of a run's worker."""
    process = Warm(*IMPORTED, env={"PYTHONPATH": str(REPOSITORY)})
    atexit.register(process.close)
    return process
