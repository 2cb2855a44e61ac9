"""./noxw as it is typed: exit codes and streams of the program behind it, and no network once all has been fetched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from door.environments import TOOLS, Environments
from env.spec import ROOT

IMAGE = """
name = "small"
title = "The base and the extension"
description = "What a build without a network is tried with"
platforms = ["linux/amd64"]
environments = ["wheels"]
parts = ["base", "ours"]
created = 2026-11-01T00:00:00Z
"""
OWN = ROOT / ".noxw" / f"{sys.version_info.major}.{sys.version_info.minor}"
pytestmark = pytest.mark.skipif(
    not (OWN / "noxw.txt").is_file() or not (ROOT / ".nox" / "shared").is_dir(), reason="was not started with ./noxw"
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the environments that this one has."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("door", "env", "images", "jupyter_mcp"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "docs").mkdir()
    for name in ("noxw", "noxfile.py", "pyproject.toml", "pixi.toml", "pixi.lock", "LICENSE", "docs/pypi.md"):
        shutil.copy2(ROOT / name, folder / name)
    for name in (".noxw", ".nox"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def noxw(checkout: Path, *words: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, str(checkout / "noxw"), *map(str, words)]
    settings = os.environ | {"PYTHON": sys.executable}
    return subprocess.run(command, cwd=checkout, env=settings, capture_output=True, text=True, check=False)


def test_a_programs_exit_code_is_that_of_noxw(checkout: Path) -> None:
    done = noxw(checkout, "-s", "images", "--", "inspect", "no-such-image")
    assert done.returncode == 2
    assert "unknown image 'no-such-image'" in done.stderr
    assert done.stdout == ""


def test_a_result_on_standard_output_is_alone_there(checkout: Path) -> None:
    done = noxw(checkout, "-s", "build-image", "--", "--plan", "--json", "--env", "wheels")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"environment", "platforms"}
    assert "nox > " in done.stderr


@pytest.mark.slow
def test_a_build_needs_no_network_once_all_is_fetched(checkout: Path, tmp_path: Path) -> None:
    cut = ("unshare", "--map-root-user", "--net")
    if subprocess.run([*cut, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this host lets nobody cut the network off a program")
    # Sources that no store knows the wheel of.
    with (checkout / "jupyter_mcp" / "__init__.py").open("a") as file:
        file.write(f"# {tmp_path.name}\n")
    (tmp_path / "parts" / "ours").mkdir(parents=True)
    (tmp_path / "image.toml").write_text(IMAGE)
    (tmp_path / "parts" / "ours" / "part.toml").write_text('title = "The extension"\n[install]\nproject = true\n')
    with Environments(ROOT).ready(TOOLS):
        done = noxw(checkout, "-s", "build-image", "--", "--recipe", tmp_path, "--output", tmp_path / "out", before=cut)
    if "can't be reached" in done.stderr:
        pytest.skip("nothing has been fetched here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.json").is_file()


def test_a_wrong_name_starts_nothing(checkout: Path) -> None:
    done = noxw(checkout, "-s", "imags", "--", "--help")
    assert done.returncode == 2
    assert "did you mean ./noxw -s images?" in done.stderr


def test_sigterm_ends_the_program_too(checkout: Path) -> None:
    command = [str(checkout / "noxw"), "-s", "run", "--", "sh", "-c", "echo $$; exec sleep 600"]
    settings = os.environ | {"PYTHON": sys.executable}
    with subprocess.Popen(
        command, cwd=checkout, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as door:
        assert door.stdout is not None
        program = int(door.stdout.readline())
        door.send_signal(signal.SIGTERM)
        assert door.wait() == 128 + signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            os.kill(program, 0)
