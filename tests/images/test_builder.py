"""The image that builds images: with no network and no checkout it comes to what this checkout builds."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from env.platforms import host_platform
from env.store.store import Store
from images.build.build import Build
from images.check.bubblewrap import bubblewrap
from images.oci.read import read_layout
from images.oci.unpack import unpack
from images.recipe.recipe import load_recipe
from tests.support.wheels import wheel

from .conftest import filled, images
from .containers import index_of

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    recipe = load_recipe("builder")
    platform = host_platform()
    assert platform is not None
    return filled(tmp_path_factory.mktemp("store"), Build(recipe, (platform,), "wheels").everything())


def project(folder: Path) -> Path:
    """Write a project that is locked and needs no index: its one package is a wheel beside the lock."""
    folder.mkdir()
    made = wheel(folder / "wheels", "hello", "1.0")
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    (folder / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "hello"\nversion = "1.0"\n'
        f'wheels = [{{ path = "wheels/{made.name}", hashes = {{ sha256 = "{digest}" }} }}]\n'
    )
    return folder


def test_an_image_builds_the_same_image_with_no_network_and_no_checkout(store: Store, tmp_path: Path) -> None:
    platform = host_platform()
    assert platform is not None
    built = images("build", "builder", "--platform", platform.oci, "--store", store.root, "--output", tmp_path / "b")
    assert built.returncode == 0, built.stderr
    (found,) = read_layout(tmp_path / "b").values()
    root = tmp_path / "root"
    root.mkdir()
    unpack(found, root)
    work = project(tmp_path / "work")
    config = found.config["config"]
    variables = [word for line in config["Env"] for word in ("--setenv", *line.split("=", 1))]
    run = subprocess.run(
        [
            *bubblewrap(store, Console(stderr=True)),
            *("--unshare-net", "--unshare-user", "--clearenv", *variables),
            *("--bind", str(root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),  # noqa: S108 - in it
            *("--bind", str(work), "/work", "--chdir", config["WorkingDir"]),
            *(*config["Entrypoint"][2:], "build", "--from", ".", "--platform", platform.oci),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    here = images(
        *("build", "--from", work, "--platform", platform.oci, "--store", store.root, "--output", tmp_path / "here")
    )
    assert here.returncode == 0, here.stderr
    assert index_of(work / "dist" / "images" / "work") == index_of(tmp_path / "here")
