"""What builds and checks unpack to run on this host is kept while it is of use, and made again when it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from env.formats.lock import find_lock, lock_name
from env.platforms import AMD64, ARM64
from env.spec import Tree
from env.store.store import Store
from env.store.upkeep import locked, prune
from images.check.bubblewrap import bubblewrap
from images.check.emulator import emulator
from images.rootfs.bytecode import host
from images.rootfs.interpreter import unpack_interpreter

from .conftest import images
from .containers import without_base

OTHER = ARM64 if host() == AMD64 else AMD64


def test_images_run_on_a_machine_with_nothing_installed(cold_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    words = bubblewrap(cold_store, Console(stderr=True))
    monkeypatch.setenv("PATH", "")
    root = Path(words[0]).parent
    assert cold_store.root in root.parents
    run = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("bubblewrap ")
    # Every library it is linked with is its own: the host's may be another C library's.
    listed = subprocess.run([words[0], "--list", *words[1:]], capture_output=True, text=True, check=True)
    places = [line.partition(" => ")[2].partition(" (")[0] for line in listed.stdout.splitlines() if " => " in line]
    assert places
    assert all(Path(place).is_relative_to(root) for place in places), listed.stdout
    assert prune(cold_store, locked(Tree()), dry_run=False).programs == ()


@pytest.mark.slow
def test_a_store_without_unused_programs_still_builds(recipe: Path, cold_store: Store, tmp_path: Path) -> None:
    without_base(recipe)
    console = Console(stderr=True)
    interpreter = unpack_interpreter(find_lock(Tree(), lock_name("debian", host())), cold_store)
    runner = emulator(OTHER, cold_store, console)
    assert runner is not None
    assert prune(cold_store, locked(Tree()), dry_run=False).programs == ()
    then = time.time() - 40 * 24 * 60 * 60
    for path in (cold_store.root / "cache").rglob("*.json"):
        os.utime(path, (then, then))
    # One that is used again is of use.
    assert emulator(OTHER, cold_store, console) == runner
    done = prune(cold_store, locked(Tree()), unused_days=30, dry_run=False)
    assert list(done.programs) == [interpreter.root]
    assert runner.is_file()
    run = images("build", "--recipe", recipe, "--store", cold_store.root, "--output", tmp_path / "out", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["index"]
    assert cold_store.programs() == sorted([interpreter.root, runner.parent])
