"""Images are checked by running them, the other platform's under emulation, and a broken promise is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.platforms import PLATFORMS, Platform
from env.store.store import Store
from tests.support.needs import cannot_run

from .conftest import images


def checked(recipe: Path, store: Store, output: Path, platform: Platform) -> tuple[int, list[dict[str, object]], str]:
    where = ("--store", store.root, "--platform", platform)
    built = images("build", "--recipe", recipe, "--env", "wheels", "--output", output, *where)
    assert built.returncode == 0, built.stderr
    run = images("check", output, "--json", "--platform", platform)
    if why := cannot_run(run.returncode, run.stderr):
        pytest.skip(why)
    return run.returncode, json.loads(run.stdout), run.stderr


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_an_image_that_keeps_its_promises_passes(
    recipe: Path, store: Store, tmp_path: Path, platform: Platform
) -> None:
    part = recipe / "parts" / "hello" / "part.toml"
    part.write_text(
        part.read_text().replace('["uname", "-m"]', f'["uname", "-m"]\nstdout = {{ contains = "{platform.machine}" }}')
    )
    code, verdicts, errors = checked(recipe, store, tmp_path / "out", platform)
    assert code == 0, errors
    assert [verdict["id"] for verdict in verdicts] == [
        "not-root", "git", "terminal-programs", "machine", "greets", "is-not-root", "stops-on-sigterm",
    ]  # fmt: skip
    assert {verdict["platform"] for verdict in verdicts} == {platform.oci}


@pytest.mark.slow
def test_every_broken_promise_is_told_with_what_was_found(recipe: Path, store: Store, tmp_path: Path) -> None:
    part = recipe / "parts" / "hello" / "part.toml"
    part.write_text(
        part.read_text().replace('["uname", "-m"]', '["uname", "-m"]\nstdout = { contains = "vax" }')
        .replace("within = 60", "within = 1").replace("hello from 1000", "hello from 0")
    )  # fmt: skip
    code, verdicts, errors = checked(recipe, store, tmp_path / "out", PLATFORMS[0])
    assert code == 1, errors
    unmet = {str(verdict["id"]): str(verdict["unmet"]) for verdict in verdicts if verdict["unmet"] is not None}
    assert set(unmet) == {"machine", "greets"}
    assert "without 'vax'" in unmet["machine"]
    assert "does not contain 'hello from 0'" in unmet["greets"]
    assert "error: 2 of 7 checks failed" in errors


@pytest.mark.slow
def test_an_image_that_ends_at_once_fails_without_waiting(recipe: Path, store: Store, tmp_path: Path) -> None:
    script = recipe / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello"
    script.write_text("#!/bin/sh\necho goodbye\nexit 3\n")
    code, verdicts, _ = checked(recipe, store, tmp_path / "out", PLATFORMS[0])
    assert code == 1
    unmet = {str(verdict["id"]): str(verdict["unmet"]) for verdict in verdicts if verdict["unmet"] is not None}
    assert unmet["greets"] == "the image ended with 3"


def test_a_layout_without_the_platform_is_told(recipe: Path, store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out"
    where = ("--store", store.root, "--platform", PLATFORMS[0])
    assert images("build", "--recipe", recipe, "--env", "wheels", "--output", output, *where).returncode == 0
    run = images("check", output, "--platform", PLATFORMS[1])
    assert run.returncode == 2
    assert "it has linux/amd64" in run.stderr
