"""A whole JupyterLab from conda packages: assembled, and held to every promise of the image's own checks.

conda-forge's files can't be reached everywhere, so the channel is made of the locked wheels and the locked Python. What
this does not show is that conda-forge's own builds of them work together; everything from the lock on is as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.lock import LOCKS, lock_name, read_lock
from env.platforms import AMD64
from env.store import Store
from images.build import Build
from images.bytecode import host
from images.recipe import load_recipe

from .conda_channel import Package, served, write_channel
from .conda_checkout import PYTHON_KEYS, VERSION, Content, copy_whole_checkout, repackaged
from .conda_from_wheels import conda_package, git
from .conftest import filled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host() != AMD64, reason="the channel's real Python is repackaged for linux-64"),
    pytest.mark.timeout(1800),
]


def test_a_whole_jupyterlab_of_conda_packages_keeps_every_promise(tmp_path: Path) -> None:
    wheels = read_lock(LOCKS / lock_name("wheels", AMD64))
    over = {file.name for file in read_lock(LOCKS / lock_name("conda-overlay", AMD64)).files}
    needed = [lock for lock in Build(load_recipe("jupyter"), (AMD64,), "wheels").needed() if lock.source != "overlay"]
    base = read_lock(LOCKS / lock_name("debian-conda", AMD64))
    store = filled(tmp_path / "store", [*needed, base])
    links = {name: Content(b"", link="python3.13") for name in ("bin/python", "bin/python3")}
    python = Package("python", VERSION, repackaged(store) | links, "linux-64", "h0_cp313", extra=PYTHON_KEYS)
    packages = [conda_package(file, store, "linux-64") for file in wheels.files if file.name not in over]
    write_channel(tmp_path / "offer" / "channel", [python, git(), *packages])
    names = [package.name for package in (python, git(), *packages)]
    del packages
    specs = "[dependencies]\n" + "".join(f'"{name}" = "*"\n' for name in names)
    with served(tmp_path / "offer") as (url, _):
        checkout = copy_whole_checkout(tmp_path / "checkout", specs=specs, url=url, store=store.root)
        manifest = checkout.root / "pixi.toml"
        manifest.write_text(manifest.read_text().replace('"linux-64", "linux-aarch64"', '"linux-64"'))
        checkout.ok("env", "lock", "conda", "--live")
        target = ("--platform", "linux/amd64")
        built = json.loads(checkout.run("images", "build", "--env", "conda", *target, "--json").stdout)
    layers = {layer["name"]: layer for layer in built["platforms"][0]["layers"]}
    assert {"debian", "environment", "overlay", "numpy", "python-duckdb"} <= set(layers)
    checked = checkout.run("images", "check", "dist/images/jupyter", *target)
    assert checked.returncode == 0, checked.stderr
    assert Store(store.root).path(layers["numpy"]["digest"].partition(":")[2]).is_file()
