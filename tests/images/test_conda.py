"""The conda environment end to end, against a channel made here: solved, locked, fetched, installed, assembled, run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from env.formats.environments import ENVIRONMENTS
from env.formats.lock import Lock, LockedFile
from env.formats.manifest import read_manifest
from env.formats.pixi_lock import read_pixi_lock
from env.index.mirrors import answering_base
from env.index.probe import choose
from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.spec import ROOT, Tree
from env.store.store import Store
from env.verify.verify import find_faults
from images.build import plan
from images.build.build import Build
from images.check.bubblewrap import bubblewrap
from images.check.sandbox import Sandbox
from images.oci.listing import content_of
from images.oci.read import PlatformImage, read_layout
from images.oci.unpack import unpack
from images.recipe.recipe import load_recipe
from images.rootfs.bytecode import host
from tests.support.needs import require_namespaces

from .conda_channel import CHANNEL, served
from .conda_checkout import Checkout, copy_checkout, write_offer
from .conftest import filled

Roots = dict[str, tuple[Path, PlatformImage]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with Debian's packages, and no conda package."""
    locks = Build(load_recipe("jupyter"), PLATFORMS, "conda").needed()
    return filled(tmp_path_factory.mktemp("store"), [lock for lock in locks if lock.source.startswith("debian")])


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Path:
    """The folder of the channel and the index."""
    folder = tmp_path_factory.mktemp("offer")
    write_offer(folder, store)
    return folder


@pytest.fixture(scope="module")
def server(offer: Path) -> Iterator[str]:
    with served(offer) as (url, _):
        yield url


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, store: Store, server: str) -> Checkout:
    """A checkout with locks made from the channel."""
    made = copy_checkout(tmp_path_factory.mktemp("work") / "checkout", url=server, store=store.root)
    made.ok("env", "lock", "conda", "--live")
    return made


@pytest.fixture(scope="module")
def layout(checkout: Checkout) -> Path:
    checkout.ok("images", "build", "--env", "conda", "--skip-post-link", "compiled", "--output", "built")
    return checkout.root / "built"


@pytest.fixture(scope="module")
def roots(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Roots:
    """The unpacked image by OCI platform."""
    found = {}
    for platform, image in read_layout(layout).items():
        root = tmp_path_factory.mktemp(platform.slug)
        unpack(image, root)
        found[platform.oci] = (root, image)
    return found


@pytest.mark.slow
def test_the_channel_is_solved_for_both_platforms_with_true_addresses(checkout: Checkout) -> None:
    lock = read_pixi_lock(checkout.root / "pixi.lock")
    for subdir in ("linux-64", "linux-aarch64"):
        packages = {package.name: package for package in lock.packages["default"][subdir]}
        assert {name: package.version for name, package in packages.items()} == {
            "compiled": "2.0",
            "pure": "1.0",
            "python": "3.13.14",
        }
        assert packages["compiled"].url == f"{CHANNEL}{subdir}/compiled-2.0-py313_0.conda"
        assert "127.0.0.1" not in (checkout.root / "pixi.lock").read_text()


def test_the_new_locks_hold(checkout: Checkout) -> None:
    faults = [fault for fault in find_faults(Tree(checkout.root)) if "conda" in fault.file or fault.file == "pixi.lock"]
    assert not faults


def test_the_overlay_adds_what_conda_lacks_and_takes_condas_version_as_given(checkout: Checkout) -> None:
    for platform in PLATFORMS:
        text = (checkout.root / "env" / "locks" / f"conda-overlay-{platform.slug}.lock").read_text()
        assert 'name = "overlaid"\nversion = "1.1"' in text
        assert 'name = "compiled"' not in text


def test_an_overlay_that_can_only_replace_is_refused(checkout: Checkout) -> None:
    project = checkout.root / "pyproject.toml"
    before, locks = project.read_text(), (checkout.root / "pixi.lock").read_bytes()
    project.write_text(before.replace('"overlaid>=1"', '"compiled>=3"'))
    try:
        done = checkout.run("env", "lock", "conda", "--live")
    finally:
        project.write_text(before)
    assert done.returncode == 71
    assert "compiled" in done.stderr
    assert (checkout.root / "pixi.lock").read_bytes() == locks


def test_a_plan_needs_no_network(checkout: Checkout) -> None:
    done = checkout.run("images", "build", "--env", "conda", "--plan", "--json", PIXI_HOME="/nonexistent")
    plan = json.loads(done.stdout)
    assert [one["platform"] for one in plan["platforms"]] == ["linux/amd64", "linux/arm64"]
    packages = {
        package["name"]: package["size"] for layer in plan["platforms"][1]["layers"] for package in layer["packages"]
    }
    assert {"compiled", "pure", "python"} <= set(packages)
    assert all(packages.values())


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
@pytest.mark.slow
def test_packages_are_installed_at_the_images_prefix(platform: Platform, roots: Roots) -> None:
    root, _ = roots[platform.oci]
    prefix = root / "opt/env"
    assert (prefix / "etc/compiled.conf").read_text() == "share=/opt/env/share\n"
    binary = (prefix / "lib/libcompiled.so.1").read_bytes()
    assert binary.startswith(b"\x7fELF\0/opt/env/share\0")
    assert b"placehold" not in binary
    assert binary.endswith(b"\0end" + platform.conda.encode())
    assert (prefix / "bin/pure-run").read_text().startswith("#!/opt/env/bin/python3.13\n")
    assert (prefix / "bin/pure-script").read_text().startswith("#!/opt/env/bin/python\n")
    assert (prefix / "lib/python3.13/site-packages/pure/__init__.py").is_file()
    assert (prefix / "lib/python3.13/site-packages/overlaid/__init__.py").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_a_path_that_two_packages_bring_is_there_once(platform: Platform, roots: Roots) -> None:
    prefix = roots[platform.oci][0] / "opt/env"
    assert (prefix / "share/shared").read_text() in ("from pure", "from compiled")
    assert not list(prefix.rglob("*clobber*"))


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_bytecode_is_ours_and_not_the_packages(platform: Platform, roots: Roots) -> None:
    root, _ = roots[platform.oci]
    cached = root / "opt/env/lib/python3.13/site-packages/compiled/__pycache__/__init__.cpython-313.pyc"
    assert cached.read_bytes()[4:8] == b"\x01\0\0\0"


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_no_script_of_a_package_runs_and_nothing_of_the_build_is_left(
    platform: Platform, roots: Roots, checkout: Checkout, store: Store
) -> None:
    root, _ = roots[platform.oci]
    assert not list(root.rglob("post-link-ran"))
    record = json.loads((root / "opt/env/conda-meta/compiled-2.0-py313_0.json").read_text())
    assert record["url"] == f"{CHANNEL}{platform.conda}/compiled-2.0-py313_0.conda"
    assert "link" not in record
    for path in (root / "opt/env").rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert str(checkout.root.parent).encode() not in content, path
            assert str(store.root).encode() not in content, path


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_activation_is_in_the_images_env(platform: Platform, roots: Roots) -> None:
    _, image = roots[platform.oci]
    env = dict(line.split("=", 1) for line in image.config["config"]["Env"])
    assert env["CONDA_PREFIX"] == "/opt/env"
    assert env["COMPILED_DATA"] == "/opt/env/share/compiled"
    assert env["COMPILED_MODE"] == "fast"
    assert env["PATH"].startswith("/usr/local/bin:/opt/env/bin:")  # our pip and uv first


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_base_has_no_python_of_its_own(platform: Platform, roots: Roots) -> None:
    root, image = roots[platform.oci]
    assert not list(root.glob("usr/bin/python*"))
    assert not list(root.glob("usr/lib/python3*"))
    assert image.config["config"]["Labels"]["io.github.jupyter-mcp.environment"] == "conda"


@pytest.mark.slow
def test_python_and_the_overlay_run_from_the_image(roots: Roots, store: Store) -> None:
    root, image = roots[host().oci]
    sandbox = Sandbox(root, host(), image.config["config"], None, bubblewrap(store, Console(stderr=True)))
    code = "import compiled, overlaid, pure, sys; print(sys.version_info[:2], compiled.VALUE, overlaid.NAME)"
    for arguments, said in (
        (["python", "-c", code], "(3, 13) 42 overlaid"),
        (["pure-run"], "pure runs"),
        (["pure-script"], "script runs"),
        (["sh", "-c", "echo $COMPILED_DATA"], "/opt/env/share/compiled"),
    ):
        done = sandbox.run(arguments, 60)
        assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr


@pytest.mark.slow
def test_another_folder_user_and_umask_give_the_same_bytes(
    checkout: Checkout, layout: Path, store: Store, tmp_path: Path, server: str
) -> None:
    user = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    require_namespaces(*user)
    fresh = filled(tmp_path / "another" / "store", [])
    # What was fetched, and of what was made the layers of Debian's packages alone: test_build makes those twice.
    debian = {image.layers[0]["digest"].removeprefix("sha256:") for image in read_layout(layout).values()}
    for path in (store.root / "sha256").rglob("*"):
        if path.is_symlink() or path.name in debian:
            fresh.path(path.name).parent.mkdir(parents=True, exist_ok=True)
            fresh.path(path.name).symlink_to(path.resolve())
    for record in (store.root / "cache" / "layer").rglob("*.json"):
        if json.loads(record.read_bytes())["digest"] in debian:
            copy = fresh.root / record.relative_to(store.root)
            copy.parent.mkdir(parents=True)
            shutil.copyfile(record, copy)
    other = copy_checkout(tmp_path / "another" / "place", url=server, store=fresh.root)
    for name in ("pixi.lock", "conda-lock.yml", *(f"env/locks/conda-overlay-{one.slug}.lock" for one in PLATFORMS)):
        shutil.copyfile(checkout.root / name, other.root / name)
    other = Checkout(other.root, other.store, other.url, umask=0o077, before=user)
    other.ok("images", "build", "--env", "conda", "--skip-post-link", "compiled", "--output", "built")
    assert (other.root / "built/index.json").read_bytes() == (layout / "index.json").read_bytes()


@pytest.mark.slow
def test_a_tampered_package_is_refused_by_name(checkout: Checkout, offer: Path, tmp_path: Path) -> None:
    shutil.copytree(offer / "channel", tmp_path / "served" / "channel")
    package = tmp_path / "served" / "channel" / "noarch" / "pure-1.0-pyh0.conda"
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    package.write_bytes(content)
    store = Store(tmp_path / "store")
    with served(tmp_path / "served") as (url, _):
        mirror = f'[mirrors]\n"{CHANNEL.rstrip("/")}" = ["{url}/channel"]\n'
        tampered = copy_checkout(tmp_path / "checkout", url=url, store=store.root)
        for name in ("pixi.lock", "conda-lock.yml"):
            shutil.copyfile(checkout.root / name, tampered.root / name)
        (tampered.root / ".pixi" / "config.toml").write_text(mirror)
        code = (
            "from env.cli.command import run; from env.formats.conda_files import conda_files;"
            "from env.store.fetch import fetch;"
            "from env.platforms import AMD64; from env.spec import Tree; from env.store.store import Store;"
            "from rich.console import Console;"
            "import sys; c = Console(stderr=True);"
            "sys.exit(run(lambda: fetch([conda_files(AMD64, Tree())], Store(), console=c), c))"
        )
        (tampered.root / "fetch_conda.py").write_text(code)
        done = tampered.run("fetch_conda")
    assert done.returncode == 76, done.stderr
    assert "pure" in done.stderr
    assert hashlib.sha256(content).hexdigest() not in store


def conda_lock(channel: str) -> Lock:
    return Lock("conda", ARM64, "0" * 64, (LockedFile("a", "1 0", "noarch/a-1-0.conda", "0" * 64, 1, channel),))


def test_a_mirror_that_is_down_gives_way_to_the_next(
    offer: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXI_HOME", str(tmp_path))
    config = f'[mirrors]\n"{CHANNEL}" = ["http://127.0.0.1:9/cf", "{server}/channel"]\n'
    (tmp_path / "config.toml").write_text(config)
    package = next((offer / "channel" / "noarch").glob("*.conda")).name
    assert answering_base(CHANNEL, f"noarch/{package}", root=tmp_path) == f"{server}/channel/"


def test_without_env_conda_is_taken_where_its_channel_answers(offer: Path, tmp_path: Path) -> None:
    package = next((offer / "channel" / "noarch").glob("*.conda")).name
    with served(offer) as (url, _):
        file = LockedFile("pure", "1.0 pyh0", f"noarch/{package}", "0" * 64, 1, f"{url}/channel/")
        lock = Lock("conda", ARM64, "0" * 64, (file,))
        chosen, why = choose({"conda": [lock], "wheels": []}, Store(tmp_path).__contains__)
    assert chosen == "conda"
    assert "answers" in why


def test_without_env_wheels_are_taken_where_no_channel_answers(tmp_path: Path) -> None:
    lock = conda_lock("http://127.0.0.1:9/conda-forge/")
    chosen, why = choose({"conda": [lock], "wheels": []}, Store(tmp_path).__contains__)
    assert (chosen, why) == ("wheels", "no conda, since 127.0.0.1:9 does not answer within 2 s")


def test_without_env_a_store_that_holds_condas_packages_is_enough(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = LockedFile("a", "1 0", "noarch/a-1-0.conda", store.add(b"content"), 7, "http://127.0.0.1:9/")
    lock = Lock("conda", AMD64, "0" * 64, (file,))
    assert choose({"conda": [lock], "wheels": []}, store.__contains__)[0] == "conda"


def test_a_channel_out_of_reach_is_told_in_one_line_with_the_ways_out(checkout: Checkout, tmp_path: Path) -> None:
    lost = copy_checkout(tmp_path / "checkout", url="http://127.0.0.1:9", store=tmp_path / "store")
    for name in ("pixi.lock", "conda-lock.yml", *(f"env/locks/conda-overlay-{one.slug}.lock" for one in PLATFORMS)):
        shutil.copyfile(checkout.root / name, lost.root / name)
    done = lost.run("images", "build", "--env", "conda", "--platform", "linux/amd64")
    assert done.returncode == 69, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    for way_out in ("[mirrors]", "JUPYTER_MCP_STORE", "--env wheels"):
        assert way_out in line
    assert "conda-forge" in line


def test_the_committed_lock_is_planned_for_both_platforms(tmp_path: Path) -> None:
    found = plan.summary(Build(load_recipe("jupyter"), PLATFORMS, "conda"), Store(tmp_path))
    for one, platform in zip(found["platforms"], PLATFORMS, strict=True):
        assert one["platform"] == platform.oci
        assert 10 < len(one["layers"]) < 127, "runtimes mount no more"
        planned = [package for layer in one["layers"] for package in layer["packages"]]
        names = {package["name"] for package in planned}
        assert {"jupyterlab", "numpy", "python", "fastmcp", "supervisor", "tini"} <= names
        assert all(package["size"] and len(package["sha256"]) == 64 for package in planned)
        assert not any(package["stored"] for package in planned)


def test_the_recipe_prefers_conda_and_both_environments_have_locks() -> None:
    assert load_recipe("jupyter").image.environments == ("conda", "wheels")
    assert {"conda", "wheels"} <= set(ENVIRONMENTS)
    assert read_manifest(Tree()).channels == (CHANNEL,)


OWN_IMAGE = """
name = "mine"
title = "From a pixi environment of my own"
description = "No JupyterLab in it"
platforms = ["linux/amd64", "linux/arm64"]
environments = ["conda"]
parts = ["base", "mine"]
created = 2026-11-01T00:00:00Z
"""


@pytest.mark.slow
def test_a_recipe_with_a_pixi_lock_of_its_own_is_built_from_it(checkout: Checkout, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "parts" / "mine").mkdir(parents=True)
    (mine / "image.toml").write_text(OWN_IMAGE)
    (mine / "parts" / "mine" / "part.toml").write_text('title = "Mine"\n[install]\nlocks = ["environment"]\n')
    for name in ("pixi.toml", "pixi.lock"):
        shutil.copyfile(checkout.root / name, mine / name)
    # From the project as it is, whose own pixi.lock is another.
    ours = replace(checkout, root=ROOT)
    where = {"PIXI_HOME": str(checkout.root.parent / "pixi-of-mine")}
    Path(where["PIXI_HOME"]).mkdir(exist_ok=True)
    shutil.copyfile(checkout.root / ".pixi" / "config.toml", Path(where["PIXI_HOME"]) / "config.toml")
    output = str(tmp_path / "out")
    # For one platform, since the base is made for this recipe alone: for both, the layout above is made.
    where_to = ("--platform", "linux/arm64", "--output", output)
    words = ("images", "build", "--recipe", str(mine), "--env", "conda", *where_to)
    done = ours.run(*words, "--skip-post-link", "compiled", **where)
    assert done.returncode == 0, done.stderr
    for image in read_layout(Path(output)).values():
        held = content_of(image)
        assert "opt/env/lib/libcompiled.so.1" in held
        assert not any("overlaid" in path for path in held)
