"""Fetch once, then build with the network cut: in a network namespace of its own, where even loopback is down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from env.store.store import Store
from images.oci.read import read_layout
from tests.support.needs import no_namespaces, reason

from .conftest import REPOSITORY, command, images

CUT = ("unshare", "--user", "--map-root-user", "--net")


@pytest.fixture(autouse=True)
def _cut() -> None:
    probe = (
        "import socket\nwith socket.socket() as s:\n    s.settimeout(5)\n    print(s.connect_ex(('127.0.0.1', 9)))\n"
    )
    run = subprocess.run([*CUT, sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    if run.returncode:
        no_namespaces(run.stderr)
    assert run.stdout == "101\n", "ENETUNREACH: there is a network in the namespace"


def offline(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CUT, *words], cwd=REPOSITORY, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_build_from_a_copied_store_needs_no_network_and_gives_the_same_image(
    recipe: Path, store: Store, tmp_path: Path
) -> None:
    arguments = ("--recipe", recipe, "--env", "wheels", "--platform", "amd64")
    run = images("build", *arguments, "--store", store.root, "--output", tmp_path / "online")
    assert run.returncode == 0, run.stderr
    carried = tmp_path / "carried"
    # What the jupyter image needs as well: the small image's base is among it.
    copied = offline(sys.executable, "-m", "env", "store", "copy", str(carried), "--platform", "amd64", "--json")
    if "fetch" in copied.stderr and copied.returncode == 66:
        pytest.skip(reason("a filled store", "run `./noxw -s fetch` first"))
    assert copied.returncode == 0, copied.stderr
    assert json.loads(copied.stdout)["files"] > 150
    # Nothing that was made before, no package index's cache and no settings of the user's.
    bare = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "UV_NO_CACHE": "1"}
    words = command("build", *arguments, "--store", carried, "--output", tmp_path / "offline")
    built = offline(*words, env=bare)
    assert built.returncode == 0, built.stderr
    assert digests(tmp_path / "offline") == digests(tmp_path / "online")


def digests(layout: Path) -> dict[str, str]:
    return {platform.oci: image.digest for platform, image in read_layout(layout).items()}


def test_fetching_again_needs_no_network_and_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    carried = tmp_path / "carried"
    fetch = [sys.executable, "-m", "env", "fetch", "--platform", "amd64", "--store", str(carried)]
    copied = offline(sys.executable, "-m", "env", "store", "copy", str(carried), "--platform", "amd64")
    if copied.returncode == 66:
        pytest.skip(reason("a filled store", "run `./noxw -s fetch` first"))
    assert offline(*fetch).returncode == 0
    victim = min((carried / "sha256").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 1 << 60)
    victim.unlink()
    nowhere = {"UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    run = offline(*fetch, env=nowhere)
    assert run.returncode == 69, run.stderr
    assert "bring a filled store" in run.stderr


@pytest.mark.slow
def test_two_builds_at_once_share_a_store(recipe: Path, cold_store: Store, tmp_path: Path) -> None:
    outputs = [tmp_path / "one", tmp_path / "two"]
    runs = [
        subprocess.Popen(
            command("build", "--recipe", recipe, "--platform", "amd64", "--store", cold_store.root, "--output", output),
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        for output in outputs
    ]
    for run in runs:
        _, errors = run.communicate(timeout=500)
        assert run.returncode == 0, errors
    assert digests(outputs[0]) == digests(outputs[1])
    assert list(cold_store.partial.iterdir()) == []
