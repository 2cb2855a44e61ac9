"""Podman's own generator makes units of the Quadlet files, knowing every key."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from env.errors import EnvError
from env.formats.lock import Lock
from env.index.uv import Preferences
from env.platforms import AMD64
from env.resolve.debian import lock_debian
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from images.rootfs import debs
from images.rootfs.bytecode import host
from tests.support.needs import reason

QUADLET = Path(__file__).parents[2] / "deploy" / "quadlet"
INSTALLED = (Path("/usr/libexec/podman/quadlet"), Path("/usr/lib/podman/quadlet"))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's generator, or where its podman is older than 4.4 and has none, that of Debian's next release."""
    for path in INSTALLED:
        if path.is_file():
            return path
    place = tmp_path_factory.mktemp("podman")
    (place / "env").mkdir()
    (place / "env" / "emulator.toml").write_text('suite = "trixie"\npackages = ["podman"]\nomit = {}\n')
    try:
        closure = lock_debian("emulator", host() or AMD64, None, Preferences(), Tree(place))
        podman = next(file for file in closure.files if file.name == "podman")
        store = Store()
        fetch([Lock(closure.source, closure.platform, closure.spec, (podman,))], store, console=Console(stderr=True))
    except EnvError as error:
        pytest.skip(reason("podman 4.4 or later", f"install it, or let it come from Debian: {error}"))
    for entry in debs.unpack(store.verified(podman.sha256, podman.file), podman.name, place / "unpacked"):
        if entry.path == "usr/libexec/podman/quadlet" and isinstance(entry.content, Path):
            program = Path(shutil.copy(entry.content, place / "quadlet"))
            program.chmod(0o755)
            return program
    raise AssertionError(podman)


def units(generator: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [generator, "-dryrun", "-user"]
    env = {**os.environ, "QUADLET_UNIT_DIRS": str(folder)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.network
def test_quadlet_makes_a_hardened_service_and_its_volume(generator: Path, tmp_path: Path) -> None:
    made = units(generator, QUADLET)
    assert made.returncode == 0, made.stderr
    (run,) = (line for line in made.stdout.splitlines() if line.startswith("ExecStart=") and " run " in line)
    for option in (
        "--read-only",
        "--cap-drop all",
        "--security-opt",
        "--publish 127.0.0.1:8888:8888",
        "--stop-timeout 15",
    ):
        assert option in run
    assert "-v jupyter-workspace:/home/jovyan/workspace" in run
    assert "Requires=jupyter-workspace-volume.service" in made.stdout
    # It would have said so.
    wrong = shutil.copytree(QUADLET, tmp_path / "quadlet")
    unit = wrong / "jupyter.container"
    unit.write_text(unit.read_text().replace("ReadOnly=", "Readonly="))
    refused = units(generator, wrong)
    assert "Readonly" in refused.stderr
    assert " run " not in refused.stdout
