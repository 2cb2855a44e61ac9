"""A build that is killed, at whatever moment, leaves nothing half-made, and the next one comes to the right digest."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from env.platforms import AMD64, PLATFORMS
from env.store.store import Store
from env.store.upkeep import damaged
from images.build.build import Build
from images.oci.verify import verify
from images.recipe.recipe import RECIPES, read_recipe
from tests.killing import MOMENTS, killed, moments, running

from .conftest import REPOSITORY, command, filled, images
from .containers import index_of, without_base

pytestmark = pytest.mark.slow


def arguments(recipe: Path, store: Store, output: Path, platforms: str) -> list[str]:
    return command(
        *("build", "--recipe", recipe, "--env", "wheels", "--platform", platforms),
        *("--store", store.root, "--output", output, "--json"),
    )


def built(recipe: Path, store: Store, output: Path, platforms: str) -> str:
    run = images(*arguments(recipe, store, output, platforms)[3:])
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    assert index_of(output) == result["index"]
    return str(result["index"])


def killed_ten_times(recipe: Path, platforms: str, tmp_path: Path) -> None:
    build = Build(read_recipe(recipe), PLATFORMS if "," in platforms else (AMD64,), "wheels")
    undisturbed = filled(tmp_path / "undisturbed", build.needed())
    began = time.monotonic()
    expected = built(recipe, undisturbed, tmp_path / "expected", platforms)
    chosen = moments(time.monotonic() - began)
    # An image that is there already, of the same layers at another time: it stays until the new one is whole.
    older = ("--recipe", recipe, "--env", "wheels", "--platform", platforms, "--store", undisturbed.root, "--json")
    run = images("build", *older, "--output", tmp_path / "older", env={"SOURCE_DATE_EPOCH": "1"})
    assert run.returncode == 0, run.stderr
    old = index_of(tmp_path / "older")
    assert old != expected
    ended_early = 0
    for number, moment in enumerate(chosen):
        place = tmp_path / f"moment-{number}"
        store = filled(place / "store", build.needed())
        output = place / "images" / "out"
        replaces = number % 2 == 1
        if replaces:
            output.parent.mkdir()
            subprocess.run(["cp", "-a", tmp_path / "older", output], check=True)
        ended_early += not killed(arguments(recipe, store, output, platforms), moment, cwd=REPOSITORY)
        assert damaged(store, lambda _: None) == []
        if replaces or output.exists():
            assert index_of(output) in ({old, expected} if replaces else {expected})
            assert list(verify(output))
        assert built(recipe, store, output, platforms) == expected
        assert damaged(store, lambda _: None) == []
        assert list(store.partial.iterdir()) == []
        assert [path.name for path in output.parent.iterdir()] == ["out"]
        subprocess.run(["rm", "-r", place], check=True)
    assert ended_early <= MOMENTS // 2, "too few were killed: the machine was busier when it was measured"


def test_a_build_killed_at_ten_moments_comes_to_the_right_digest(recipe: Path, tmp_path: Path) -> None:
    # Making the base takes long; that is for the slow test.
    without_base(recipe)
    killed_ten_times(recipe, "linux/amd64,linux/arm64", tmp_path)


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_a_build_of_the_jupyter_image_killed_at_ten_moments_comes_to_the_right_digest(tmp_path: Path) -> None:
    killed_ten_times(RECIPES / "jupyter", "linux/amd64", tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_programs_that_workers_run_end_with_the_build(
    recipe: Path, cold_store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        arguments(recipe, cold_store, tmp_path / "out", "linux/amd64"),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        # The base's Python library takes the locked interpreter many seconds to compile.
        while process.poll() is None and not list(cold_store.partial.glob("scratch-*/*/bytecode/*/compiled-*")):
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(60)
        while any("multiprocessing" in line for line in running(process.pid)):
            time.sleep(0.01)
        # The system may need a moment to end what has been told to; the compiler would go on for seconds.
        time.sleep(0.5)
        assert running(process.pid) == []
