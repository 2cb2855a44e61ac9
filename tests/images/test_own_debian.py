"""Debian packages of one's own: locked by apt, fetched, built without a network for both platforms, and run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from env.store.store import Store
from images.oci.read import read_layout
from tests.support.needs import cannot_run, needs

from .conftest import images
from .test_mistakes import told
from .test_requirements import env

pytestmark = [pytest.mark.network, pytest.mark.slow, needs("apt-get")]

CHECK = """
[debian]
packages = ["jq"]
[[check]]
id = "jq-runs"
scope = "build"
command = ["jq", "-n", "1+1"]
stdout = { contains = "2" }
[[check]]
id = "jq-is-a-package"
scope = "build"
package = "jq"
"""


def test_packages_of_ones_own_are_locked_fetched_and_run_on_both_platforms(
    recipe: Path, store: Store, tmp_path: Path
) -> None:
    image = recipe / "image.toml"
    image.write_text(image.read_text() + CHECK)
    refused = images("build", "--recipe", recipe, "--plan")
    assert refused.returncode == 66, refused.stderr
    assert f"make it with `./noxw -s lock -- --recipe {recipe} --debian`" in told(refused)
    locked = env("lock", "--recipe", recipe, "--debian")
    assert locked.returncode == 0, locked.stderr
    assert "+ jq " in locked.stderr
    assert "+ libc6 " not in locked.stderr, "the base has it"
    assert env("fetch", "--recipe", recipe, "--store", store.root).returncode == 0
    offline = {"DEBIAN_MIRROR": "http://127.0.0.1:9", "DEBIAN_SECURITY_MIRROR": "http://127.0.0.1:9", "UV_OFFLINE": "1"}
    built: list[subprocess.CompletedProcess[str]] = []
    for name in ("out", "again"):
        words = ("build", "--recipe", recipe, "--store", store.root, "--output", tmp_path / name, "--json")
        built.append(images(*words, env=offline))
        assert built[-1].returncode == 0, built[-1].stderr
    assert json.loads(built[0].stdout)["index"] == json.loads(built[1].stdout)["index"]
    for made in read_layout(tmp_path / "out").values():
        names = [entry["created_by"].partition(": ")[2] for entry in made.config["history"]]
        assert names[:2] == ["debian", "apt"]
    assert images("verify", tmp_path / "out").returncode == 0
    checked = images("check", tmp_path / "out")
    if why := cannot_run(checked.returncode, checked.stderr):
        pytest.skip(why)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    image.write_text(image.read_text().replace('["jq"]', '["jq", "tree"]'))
    stale = images("build", "--recipe", recipe, "--plan")
    assert "image.toml or the base below has changed: run `./noxw -s lock -- --recipe" in told(stale)
