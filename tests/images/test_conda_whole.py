"""A whole JupyterLab from conda packages: assembled, and held to every promise of the image's own checks.

conda-forge's files can't be reached everywhere, so the channel is made of the locked wheels and the locked Python. What
this does not show is that conda-forge's own builds of them work together; everything from the lock on is as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.formats.lock import lock_name, read_lock
from env.platforms import PLATFORMS, Platform
from env.spec import LOCKS
from images.rootfs.bytecode import host

from .conda_channel import Package, served, write_channel
from .conda_checkout import PYTHON_KEYS, VERSION, copy_whole_checkout, repackaged
from .conda_from_wheels import conda_package, git
from .conftest import filled

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_a_whole_jupyterlab_of_conda_packages_keeps_every_promise(tmp_path: Path, platform: Platform) -> None:
    wheels = read_lock(LOCKS / lock_name("wheels", platform))
    over = {file.name for file in read_lock(LOCKS / lock_name("conda-overlay", platform)).files}
    base = [read_lock(LOCKS / lock_name("debian-conda", platform)), read_lock(LOCKS / lock_name("debian", host()))]
    store = filled(tmp_path / "store", [wheels, *base])
    python = Package("python", VERSION, repackaged(store, platform), platform.conda, "h0_cp313", extra=PYTHON_KEYS)
    packages = [conda_package(file, store, platform.conda) for file in wheels.files if file.name not in over]
    offered = [python, git(platform.conda), *packages]
    write_channel(tmp_path / "offer" / "channel", offered)
    specs = "[dependencies]\n" + "".join(f'"{package.name}" = "*"\n' for package in offered)
    with served(tmp_path / "offer") as (url, _):
        checkout = copy_whole_checkout(tmp_path / "checkout", specs=specs, url=url, store=store.root)
        manifest = checkout.root / "pixi.toml"
        manifest.write_text(manifest.read_text().replace('"linux-64", "linux-aarch64"', f'"{platform.conda}"'))
        checkout.ok("env", "lock", "conda", "--live")
        target = ("--platform", platform.oci)
        built = json.loads(checkout.run("images", "build", "--env", "conda", *target, "--json").stdout)
    layers = {layer["name"] for layer in built["platforms"][0]["layers"]}
    assert {"debian", "numpy", "python-duckdb"} <= layers
    assert {"environment", "overlay"} <= {name.partition("-")[0] for name in layers}
    checked = checkout.run("images", "check", "dist/images/jupyter", *target)
    assert checked.returncode == 0, checked.stderr
