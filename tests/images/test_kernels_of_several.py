"""Two environments of a pixi project in one image: JupyterLab in the first, and a kernel of each, which run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from env.formats.lock import find_lock, lock_name
from env.platforms import host_platform
from env.spec import Tree
from tests.support.needs import cannot_run
from tests.support.pixi_files import MANIFEST, conda, lock, write

from .conda_channel import Content, Package, build, served, write_channel
from .conda_checkout import PYTHON_KEYS, SITE, VERSION, repackaged
from .conda_from_wheels import git
from .conftest import REPOSITORY, filled

pytestmark = [pytest.mark.network, pytest.mark.slow]


def entry(package: Package) -> str:
    data = build(package)
    text = conda(package.name, package.version, build=package.build, subdir=package.subdir)
    text = text.replace(hashlib.sha256(package.name.encode()).hexdigest(), hashlib.sha256(data).hexdigest())
    return text.replace("size: 1000", f"size: {len(data)}")


def test_the_server_is_in_the_first_environment_and_each_has_a_kernel_that_runs(tmp_path: Path) -> None:
    host = host_platform()
    assert host is not None
    store = filled(
        tmp_path / "store", [find_lock(Tree(), lock_name(name, host)) for name in ("debian-conda", "debian")]
    )
    python = Package("python", VERSION, repackaged(store, host), host.conda, "h0_cp313", extra=PYTHON_KEYS)
    offered = [python, git(host.conda)]
    offered += [Package(name, "1.0", {f"{SITE}/{name}.py": Content(b"")}, host.conda) for name in ("one", "two")]
    write_channel(tmp_path / "offer" / "channel", offered)
    both, (one, two) = [entry(package) for package in offered[:2]], [entry(package) for package in offered[2:]]
    locked = lock(*both, one, environments=("first", "second"), platforms=[host.conda])
    # The second environment has `two` where the first has `one`.
    head, _, tail = locked.partition("  second:")
    tail = tail.replace(one.splitlines()[0], two.splitlines()[0], 1) + f"{two}\n"
    manifest = MANIFEST.replace("linux-64", host.conda) + "[environments]\nfirst = []\nsecond = []\n"
    project = write(tmp_path / "project", manifest, f"{head}  second:{tail}")
    home = tmp_path / "pixi"
    home.mkdir()

    def images(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "images", *map(str, words)]
        settings = {**os.environ, "PIXI_HOME": str(home), "JUPYTER_MCP_STORE": str(store.root)}
        return subprocess.run(command, cwd=REPOSITORY, env=settings, capture_output=True, text=True, check=False)

    output = tmp_path / "out"
    with served(tmp_path / "offer") as (url, _):
        mirror = f'[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["{url}/channel"]\n'
        (home / "config.toml").write_text(mirror)
        names = ("--environment", "first", "--environment", "second", "--platform", host.oci)
        built = images("build", "--from", project, *names, "--with", "jupyter", "--output", output, "--json")
    assert built.returncode == 0, built.stderr
    assert images("verify", output).returncode == 0
    checked = images("check", output, "--json")
    if why := cannot_run(checked.returncode, checked.stderr):
        pytest.skip(why)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ids = {verdict["id"] for verdict in json.loads(checked.stdout)}
    assert {"kernel-first", "kernel-second", "environment-second-python", "mcp-runs-the-cell"} <= ids
    inspected = images("inspect", output)
    assert 'io.github.jupyter-mcp.environments={"first": "/opt/env", "second": "/opt/envs/second"}' in inspected.stdout
    plan = images("build", "--from", project, *names, "--with", "jupyter", "--plan")
    assert "environment second at /opt/envs/second" in plan.stdout
