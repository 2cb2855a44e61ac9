"""Other people's projects become images with no recipe: built from a channel and an index made here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from env.formats.lock import find_lock, lock_name
from env.platforms import Platform, host_platform
from env.spec import Tree
from env.store.store import Store
from images.oci.read import PlatformImage, read_layout
from images.oci.unpack import unpack
from images.oci.verify import verify
from tests.support.pixi_files import conda, lock, pypi

from .conda_channel import Content, Package, build, served, write_channel, write_wheel
from .conftest import REPOSITORY, filled
from .test_mistakes import told

pytestmark = pytest.mark.network

VERSION = sys.version.split()[0]
MINOR = ".".join(VERSION.split(".")[:2])
SITE = f"lib/python{MINOR}/site-packages"
MANIFEST = """
[project]
name = "my-project"
version = "1.0"
dependencies = []
[project.scripts]
my-project = "my_project:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64", "osx-arm64"]
[tool.pixi.dependencies]
python = ">=3.10"
[tool.pixi.pypi-dependencies]
my-project = { path = ".", editable = true }
side = { path = "libs/side", editable = true }
over = ">=1"
[tool.pixi.activation]
scripts = ["activate.sh"]
env = { MY_DATA = "$CONDA_PREFIX/share/mine", MY_MODE = "fast" }
"""


SIDE = """
[project]
name = "side"
version = "1.0"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def host() -> Platform:
    platform = host_platform()
    assert platform is not None
    return platform


def own_python(subdir: str) -> Package:
    """Return the Python that runs the tests as a conda package: its program, and what it needs to start."""
    base = Path(sys.base_prefix)
    names = [f"bin/python{MINOR}"]
    shared = f"lib/{sysconfig.get_config_var('INSTSONAME')}"
    names += [shared] if (base / shared).is_file() else []
    library = base / "lib" / f"python{MINOR}"
    modules = [path for pattern in ("*.py", "encodings/*.py", "importlib/*.py") for path in library.glob(pattern)]
    names += [path.relative_to(base).as_posix() for path in modules]
    files = {name: Content((base / name).read_bytes(), 0o755 if "/bin/" in f"/{name}" else 0o644) for name in names}
    files["bin/python"] = Content(b"", link=f"python{MINOR}")
    extra = {"python_site_packages_path": SITE}
    return Package("python", VERSION, files, subdir, "h0_cpython", extra=extra)


def offered(subdir: str) -> list[Package]:
    module = {"site-packages/pure/__init__.py": Content(b"VALUE = 1\n")}
    stale = {f"{SITE}/native/__pycache__/__init__.cpython-{MINOR.replace('.', '')}.pyc": Content(b"stale")}
    says = b'#!/bin/sh\necho "read the manual" >> "$PREFIX/.messages.txt"\n'
    return [
        own_python(subdir),
        Package("pure", "1.0", module, build="pyh0", depends=("python",), noarch="python"),
        Package("native", "1.0", {f"{SITE}/native/__init__.py": Content(b"VALUE = 2\n"), **stale}, subdir),
        Package(
            "ipykernel", "6.29", {"site-packages/ipykernel/__init__.py": Content(b"")}, noarch="python", build="py_0"
        ),
        Package("talks", "1.0", {"bin/.talks-post-link.sh": Content(says, 0o755)}, subdir),
        Package("works", "1.0", {"bin/.works-post-link.sh": Content(b"#!/bin/sh\ndot -c\n", 0o755)}, subdir),
    ]


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offer")
    write_channel(folder / "channel", offered(host().conda))
    write_wheel(folder, "over", "1.0", ("below>=1; python_version >= '3'",))
    write_wheel(folder, "below", "1.0")
    return folder


@pytest.fixture(scope="module")
def server(offer: Path) -> Iterator[str]:
    with served(offer) as (url, _):
        yield url


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    locks = [find_lock(Tree(), lock_name(source, host())) for source in ("debian-conda", "debian")]
    return filled(tmp_path_factory.mktemp("store"), locks)


def locked(
    offer: Path, *names: str, wheels: tuple[str, ...] = ("over", "below"), environments: tuple[str, ...] = ("default",)
) -> str:
    packages = []
    for package in offered(host().conda):
        if package.name in ("python", *names):
            entry = conda(package.name, package.version, build=package.build, subdir=package.subdir)
            digest = hashlib.sha256(package.name.encode()).hexdigest()
            entry = entry.replace(digest, hashlib.sha256(build(package)).hexdigest())
            packages.append(entry.replace("size: 1000", f"size: {len(build(package))}"))
    for name in wheels:
        file = offer / "files" / f"{name}-1.0-py3-none-any.whl"
        entry = pypi(name, "1.0", f"https://files.index.invalid/{file.name}")
        before = hashlib.sha256(f"https://files.index.invalid/{file.name}".encode()).hexdigest()
        packages.append(entry.replace(before, hashlib.sha256(file.read_bytes()).hexdigest()))
    packages.append(pypi("my-project", "1.0", "./", hashed=False))
    packages.append(pypi("side", "1.0", "./libs/side", hashed=False))
    return lock(*packages, environments=environments, platforms=[host().conda, "osx-arm64"])


@pytest.fixture
def project(tmp_path: Path, offer: Path) -> Path:
    folder = tmp_path / "My Project"
    (folder / "my_project").mkdir(parents=True)
    (folder / "my_project" / "__init__.py").write_text("def main():\n    print('runs')\n")
    (folder / "pyproject.toml").write_text(MANIFEST)
    (folder / "libs" / "side" / "side").mkdir(parents=True)
    (folder / "libs" / "side" / "side" / "__init__.py").write_text("VALUE = 3\n")
    (folder / "libs" / "side" / "pyproject.toml").write_text(SIDE)
    (folder / "activate.sh").write_text('export MY_SCRIPT="${MY_MODE:-none}"\n')
    (folder / "pixi.lock").write_text(locked(offer, "pure", "native", "talks"))
    return folder


@pytest.fixture
def run(server: str, store: Store, tmp_path: Path) -> Run:
    home = tmp_path / "pixi"
    home.mkdir()
    (home / "config.toml").write_text(f'[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["{server}/channel"]\n')
    settings = {"PIXI_HOME": str(home), "UV_INDEX": f"made={server}/simple", "UV_INDEX_STRATEGY": "unsafe-best-match"}

    def images(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "images", "build", *map(str, words)]
        command += ["--platform", host().oci, "--store", str(store.root)]
        environment = {**os.environ, **settings}
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    return images


@pytest.mark.slow
def test_a_pixi_project_with_wheels_and_its_own_code_is_an_image(project: Path, run: Run, tmp_path: Path) -> None:
    output = tmp_path / "out"
    before = sorted(path.name for path in project.rglob("*"))
    done = run("--from", project, "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    assert f"taking environment default of {project / 'pixi.lock'}, for pyproject.toml" in done.stderr
    assert sorted(path.name for path in project.rglob("*")) == before
    (image,) = read_layout(output).values()
    root = tmp_path / "root"
    root.mkdir()
    unpack(image, root)
    site = root / "opt/env" / SITE
    for module in ("pure", "native", "over", "below", "side", "my_project"):
        assert (site / module / "__init__.py").is_file(), module
        cached = site / module / "__pycache__" / f"__init__.cpython-{MINOR.replace('.', '')}.pyc"
        # PEP 552: the flag of an unchecked hash; the magic number is that of the Python that is locked.
        assert cached.read_bytes()[4:8] == b"\1\0\0\0", module
        assert cached.read_bytes()[:4] == MAGIC_NUMBER
    assert (root / "opt/env/bin/my-project").read_text().startswith("#!/opt/env/bin/python")
    assert variables(image)["MY_DATA"] == "/opt/env/share/mine"
    assert variables(image)["MY_MODE"] == "fast"
    assert variables(image)["MY_SCRIPT"] == "none"
    again = run("--from", project, "--output", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["index"] == json.loads(done.stdout)["index"]


@pytest.mark.slow
def test_several_environments_share_their_files_and_each_is_a_kernel(
    project: Path, offer: Path, run: Run, tmp_path: Path
) -> None:
    (project / "pyproject.toml").write_text(MANIFEST + "[tool.pixi.environments]\ndev = []\n")
    environments = ("default", "dev")
    (project / "pixi.lock").write_text(locked(offer, "pure", "native", "ipykernel", environments=environments))
    words = ("--from", project, "--environment", "default", "--environment", "dev")
    done = run(*words, "--output", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    (image,) = read_layout(tmp_path / "out").values()
    root = tmp_path / "root"
    root.mkdir()
    unpack(image, root)
    first, second = root / "opt/env", root / "opt/envs/dev"
    for module in ("pure", "native", "over", "my_project"):
        for name in ("__init__.py", f"__pycache__/__init__.cpython-{MINOR.replace('.', '')}.pyc"):
            one, other = (place / SITE / module / name for place in (first, second))
            assert one.samefile(other), f"{module}/{name} is there once"
    assert (first / f"bin/python{MINOR}").samefile(second / f"bin/python{MINOR}")
    assert (second / "bin/my-project").read_text().startswith("#!/opt/envs/dev/bin/python")
    spec = json.loads((root / "usr/local/share/jupyter/kernels/dev/kernel.json").read_text())
    assert spec["argv"][0] == "/opt/envs/dev/bin/python"
    assert spec["env"]["MY_DATA"] == "/opt/envs/dev/share/mine"
    assert spec["env"]["CONDA_PREFIX"] == "/opt/envs/dev"
    assert list(verify(tmp_path / "out")), "its bill of materials lists just what is in both"
    checks = json.loads(image.config["config"]["Labels"]["org.overthinkos.tests"])
    assert "environment-dev-python" in {check["id"] for section in checks.values() for check in section}
    again = run(*words, "--output", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["index"] == json.loads(done.stdout)["index"]
    alone = run("--from", project, "--environment", "default", "--output", tmp_path / "alone", "--json")
    sizes = [json.loads(one.stdout)["platforms"][0]["compressed"] for one in (alone, done)]
    assert sizes[1] < sizes[0] * 1.05, "the second one costs next to nothing"
    unknown = run("--from", project, "--environment", "default,prod", "--plan")
    assert unknown.returncode == 66, unknown.stderr
    assert "it has default, dev" in told(unknown)


@pytest.mark.slow
def test_a_post_link_script_that_works_is_refused_until_somebody_does_without(
    project: Path, offer: Path, run: Run, tmp_path: Path
) -> None:
    (project / "pixi.lock").write_text(locked(offer, "works"))
    refused = run("--from", project, "--output", tmp_path / "out")
    assert refused.returncode == 65, refused.stderr
    assert "works would run a script when installed" in told(refused)
    assert "--skip-post-link works" in told(refused)
    assert not (tmp_path / "out").exists()
    taken = run("--from", project, "--output", tmp_path / "out", "--skip-post-link", "works", "--json")
    assert taken.returncode == 0, taken.stderr


def test_a_wheel_without_what_it_requires_is_refused_and_so_is_a_wrong_hash(
    project: Path, offer: Path, run: Run, tmp_path: Path
) -> None:
    (project / "pixi.lock").write_text(locked(offer, wheels=("over",)))
    unmet = run("--from", project, "--output", tmp_path / "out")
    assert unmet.returncode == 65, unmet.stderr
    assert "over 1.0 requires `below>=1`, which is not there" in told(unmet)
    digest = hashlib.sha256((offer / "files" / "below-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    (project / "pixi.lock").write_text(locked(offer).replace(digest, "0" * 64))
    wrong = run("--from", project, "--output", tmp_path / "out")
    assert wrong.returncode == 76, wrong.stderr
    assert "hash mismatch" in told(wrong)
    assert "pixi lock --manifest-path" in told(wrong)


def variables(image: PlatformImage) -> dict[str, str]:
    return dict(line.split("=", 1) for line in image.config["config"]["Env"])
