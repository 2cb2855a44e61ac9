"""Several environments in one image: what they share is there once, and each is a kernel of its own name."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from env.cli.main import main as fetch_main
from env.errors import NotTakenError, UnlockedError
from env.formats.lock import Lock, LockedFile
from env.platforms import AMD64, ARM64
from env.spec import Tree
from env.store.store import Store
from images.build.build import Build
from images.build.config import Extra, image_config
from images.build.kernels import kernels_of, promises, require_apart
from images.build.several import kernel_layer, kernels, places, planned, promised
from images.build.sharing import shared, shared_bytecode
from images.build.stack import Other, plan_layers
from images.cli.fetch import locks_of_recipe
from images.errors import KernelNameError
from images.oci.tarball import pack
from images.recipe.project import project_recipe
from images.recipe.recipe import MAX_LAYERS, load_recipe, read_recipe
from images.rootfs.entries import Entry, Kind
from tests.support.pixi_files import MANIFEST, conda, lock, write

from .test_buckets import many, package

SEVERAL = MANIFEST + "[environments]\ndev = []\ngpu = []\nGPU = []\npython3 = []\n"
PACKAGES = (conda("python", "3.12.4"), conda("numpy", "1.26.4"), conda("ipykernel", "6.29.5"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    environments = ("default", "dev", "gpu", "GPU", "python3")
    return write(tmp_path / "project", SEVERAL, lock(*PACKAGES, environments=environments))


def build(project: Path, *names: str, jupyter: bool = False) -> Build:
    tree = Tree()
    recipe, _ = project_recipe(project, tree, names, jupyter=jupyter)
    return Build(recipe, (AMD64,), "conda", tree=tree)


def test_each_environment_is_at_its_own_prefix_and_what_they_share_is_in_one_layer(
    project: Path, tmp_path: Path
) -> None:
    made = build(project, "dev", "gpu")
    assert places(made) == {"dev": "/opt/env", "gpu": "/opt/envs/gpu"}
    plans = [plan for plan in planned(made, AMD64, Store(tmp_path / "store")) if plan.kind == "conda"]
    assert sorted(file.name for plan in plans for file in plan.packages) == ["ipykernel", "numpy", "python"]
    assert all([one.prefix for one in plan.environments] == ["/opt/env", "/opt/envs/gpu"] for plan in plans)
    alone = planned(build(project, "dev"), AMD64, Store(tmp_path / "store"))
    assert [plan.name for plan in alone] == [plan.name for plan in planned(made, AMD64, Store(tmp_path / "store"))]


def stack(*environments: list[LockedFile]) -> list[str]:
    locks = [{"environment": Lock("conda", AMD64, "", tuple(files), "3.12.1")} for files in environments]
    others = [Other(f"e{n}", f"/opt/envs/e{n}", one) for n, one in enumerate(locks) if n]
    plans = plan_layers(load_recipe("jupyter"), AMD64, locks[0], others=others)
    assert len(plans) <= MAX_LAYERS
    held = [(one.prefix, file.sha256) for plan in plans for one in plan.environments for file in one.files]
    prefixes = ["/opt/env", *(one.prefix for one in others)]
    wanted = [(p, f.sha256) for p, some in zip(prefixes, environments, strict=True) for f in some]
    assert sorted(held) == sorted(wanted), "each environment has all of its packages, each once"
    return [plan.name for plan in plans]


def test_of_two_versions_of_a_large_package_each_has_its_layer() -> None:
    old, new = package("large", 9_000_000), package("large", 9_000_000, "2")
    assert [name for name in stack([old], [new]) if "large" in name] == ["large", "large-e1"]
    assert [name for name in stack([old], [old]) if "large" in name] == ["large"]


def test_a_change_in_one_environment_leaves_the_layers_of_the_other_large_packages() -> None:
    files = many(150, 200_000)
    before = stack(files, files)
    assert stack(files, [*files[1:], package("fresh", 10)]) >= before


@pytest.mark.parametrize("count", [1, 40, 400])
@pytest.mark.parametrize("environments", [1, 2, 5])
def test_however_many_environments_there_are_runtimes_mount_the_image(count: int, environments: int) -> None:
    for size in (100, 100_000, 9_000_000):
        stack(*([package(f"p{n}", size + n, str(e)) for n in range(count)] for e in range(environments)))


def test_an_environment_that_is_not_there_is_told_with_those_that_are(project: Path) -> None:
    with pytest.raises(UnlockedError, match=r"has no environment 'prod': it has GPU, default, dev, gpu, python3"):
        build(project, "dev", "prod")


def test_an_environment_of_a_lock_that_has_but_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(NotTakenError, match="has one environment, and none is called 'dev': leave out --environment"):
        project_recipe(tmp_path, Tree(), ["dev"])


@pytest.mark.parametrize("names", [("dev", "dev"), ("gpu", "dev", "GPU"), ("dev", "python3")])
def test_two_environments_with_one_kernel_name_are_refused(project: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(KernelNameError, match="would have one kernel name in Jupyter: leave one out"):
        build(project, *names)
    require_apart(("python3", "dev"), project)


def test_environments_that_are_locked_for_no_common_platform_are_refused(project: Path) -> None:
    text = (project / "pixi.lock").read_text()
    head, _, tail = text.partition("  gpu:")
    (project / "pixi.lock").write_text(f"{head}  gpu:{tail.replace('linux-64:', 'linux-aarch64:', 1)}")
    with pytest.raises(NotTakenError, match=r"has no platform for all of these environments .*gpu.*linux/arm64"):
        build(project, "dev", "gpu")


def test_a_recipe_names_several_environments(project: Path) -> None:
    (project / "image.toml").write_text(
        'name = "x"\ntitle = "x"\ndescription = "x"\nplatforms = ["linux/amd64"]\nenvironments = ["conda"]\n'
        'parts = ["base", "environment"]\ncreated = 2026-11-01T00:00:00Z\nenvironment = ["dev", "gpu"]\n'
    )
    made = Build(read_recipe(project), (AMD64,), "conda")
    assert places(made) == {"dev": "/opt/env", "gpu": "/opt/envs/gpu"}


def test_each_environment_is_a_kernel_under_its_name_and_is_promised(project: Path) -> None:
    made = build(project, "dev", "gpu")
    specs = kernels(made, AMD64, {}, {})
    assert [*specs] == ["dev", "gpu"]
    assert specs["gpu"]["argv"][0] == "/opt/envs/gpu/bin/python"  # type: ignore[index]
    assert specs["gpu"]["display_name"] == "Python 3.12 (gpu)"
    assert specs["gpu"]["env"]["PATH"] == "/opt/envs/gpu/bin:${PATH}"  # type: ignore[index]
    layer = kernel_layer(AMD64, specs)
    assert layer is not None
    assert [path for path, _ in layer.written] == [
        "/usr/local/share/jupyter/kernels/dev/kernel.json",
        "/usr/local/share/jupyter/kernels/gpu/kernel.json",
    ]
    names = {check.id for check in promised(made, AMD64, specs)}
    assert names == {"environment-dev-python", "environment-gpu", "environment-gpu-python"}
    alone = build(project, "dev")
    assert not kernels(alone, AMD64, {}, {})
    assert not promised(alone, AMD64, {})
    assert kernel_layer(ARM64, {}) is None


def test_where_jupyter_is_served_each_kernel_is_promised_to_run(project: Path) -> None:
    made = build(project, "dev", "gpu", jupyter=True)
    specs = kernels(made, AMD64, {}, {})
    names = {check.id for check in promised(made, AMD64, specs)}
    assert {"kernel-dev", "kernel-gpu"} <= names


def test_where_jupyter_is_served_a_python_without_a_kernel_gets_one_and_only_the_first_the_server(
    tmp_path: Path,
) -> None:
    place = write(tmp_path / "p", SEVERAL, lock(conda("python", "3.12.4"), environments=("default", "dev", "gpu")))
    made = build(place, "dev", "gpu", jupyter=True)
    (_, locks), *_ = made.others(AMD64)
    names = {file.name for file in locks["pypi"].files}
    assert {"ipykernel", "jupyter-client"} <= names
    assert not names & {"jupyterlab", "jupyter-server", "fastmcp"}
    assert "jupyterlab" in {file.name for file in made.locks(AMD64)["overlay"].files}
    assert "pypi" not in dict(build(place, "dev", "gpu").others(AMD64)[0][1])


def test_kernels_of_other_languages_are_registered_with_their_environment() -> None:
    spec = {"argv": ["R", "-e", "IRkernel::main()"], "display_name": "R", "language": "R"}
    (only,) = kernels_of("Stats", "/opt/envs/Stats", "", ["r-irkernel"], {"ir": spec}).items()
    assert only[0] == "stats"
    assert only[1]["argv"] == ["/opt/envs/Stats/bin/R", "-e", "IRkernel::main()"]
    both = kernels_of("a", "/opt/envs/a", "3.12.1", ["ipykernel"], {"ir": spec, "python3": spec}, {"COST": "1$"})
    assert sorted(both) == ["a", "a-ir"]
    assert both["a-ir"]["env"]["COST"] == "1$$", "jupyter_client fills in what begins with a dollar"
    assert [*kernels_of("a", "/opt/envs/a", "3.12.1", [])] == []
    assert [*promises("a", "/opt/envs/a", "", [], serves=True)] == [
        {"id": "environment-a", "scope": "build", "file": "/opt/envs/a", "type": "directory"}
    ]


def entry(path: str, file: Path) -> Entry:
    return Entry(path, Kind.FILE, 0o644, content=file)


def test_the_same_file_of_two_environments_is_packed_once(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(text * 1000)
    first = {
        "opt/env/x.py": entry("opt/env/x.py", tmp_path / "a"),
        "opt/env/y.py": entry("opt/env/y.py", tmp_path / "a"),
    }
    second = {
        "opt/envs/b/x.py": entry("opt/envs/b/x.py", tmp_path / "b"),
        "opt/envs/b/y.py": entry("opt/envs/b/y.py", tmp_path / "c"),
    }
    found = shared(second, "/opt/envs/b", [("/opt/env", first)])
    pyc = Entry("opt/env/__pycache__/x.cpython-312.pyc", Kind.FILE, 0o644, content=tmp_path / "c")
    bytecode = shared_bytecode(found.values(), "/opt/envs/b", [("/opt/env", first, {"opt/env/x.py": pyc})])
    assert {path: made.path for path, made in bytecode.items()} == {
        "opt/envs/b/x.py": "opt/envs/b/__pycache__/x.cpython-312.pyc"
    }
    out = io.BytesIO()
    pack({**first, **found}, out, mtime=0)
    data = zstandard.ZstdDecompressor().decompressobj().decompress(out.getvalue())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        links = {member.name: member.linkname for member in tar if member.islnk()}
    assert links == {"opt/env/y.py": "opt/env/x.py", "opt/envs/b/x.py": "opt/env/x.py"}


def test_the_label_says_where_each_environment_is(project: Path) -> None:
    made = build(project, "dev", "gpu")
    config = image_config(made.recipe, AMD64, "conda", "2026-11-01T00:00:00Z", [], Extra({}, places(made)))
    said = config["config"]["Labels"]["io.github.jupyter-mcp.environments"]
    assert json.loads(said) == {"dev": "/opt/env", "gpu": "/opt/envs/gpu"}
    assert (
        "io.github.jupyter-mcp.environments"
        not in image_config(made.recipe, AMD64, "conda", "2026-11-01T00:00:00Z", [])["config"]["Labels"]
    )


def test_what_is_fetched_is_what_several_environments_and_their_server_are_built_from(project: Path) -> None:
    options = argparse.Namespace(
        recipe=project, environment=["dev", "gpu"], extra=[], group=[], with_what="jupyter", platform=None, env=None
    )
    names = {file.name for one in locks_of_recipe(options) for file in one.files}
    assert {"numpy", "jupyterlab", "bubblewrap"} <= names


def test_choices_of_a_project_without_a_project_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fetch_main(["fetch", "--environment", "dev"])
    assert "are for a recipe or a project: name it with --recipe DIR" in capsys.readouterr().err
