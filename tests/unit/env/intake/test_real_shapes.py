"""Manifests and locks in the shapes of real projects, cut down to what decides: docs/reference/real-projects.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import EnvError, NotTakenError
from env.intake.found import take
from env.intake.intake import Chosen, Intake
from env.platforms import AMD64, ARM64, PLATFORMS
from env.spec import Tree
from tests.support.pixi_files import CHANNEL, conda, pypi, write

SHA = "a" * 64
PYTHON = conda("python", "3.12.13", build="h1_cpython")
# 375-ai/cosmos-curator: platforms with names, features for some of them, CUDA in the default environment alone.
CURATOR = """[workspace]
name = "cosmos-curator"
channels = ["rapidsai", "conda-forge"]
conda-pypi-map = { conda-forge = "conda-pypi-map.json" }
platforms = ["linux-64", "linux-aarch64", "osx-arm64",
    { name = "linux-64-cuda", platform = "linux-64", cuda = "13.0.2", glibc = "2.35" },
    { name = "linux-aarch64-cuda", platform = "linux-aarch64", cuda = "13.0.2", glibc = "2.35" }]
[activation.env]
PYTHONNOUSERSITE = "1"
[dependencies]
python = ">=3.12.13,<3.13"
[feature.linux]
platforms = ["linux-64", "linux-aarch64"]
[feature.core.dependencies]
ffmpeg = { version = ">=8.1.1,<9", build = "lgpl_*" }
[feature.core.pypi-dependencies]
ray = { version = "==2.56.0", extras = ["default", "data"] }
[feature.core.tasks]
hello = "python -m hello"
[feature.tools]
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64", "osx-arm64"]
[feature.tools.pypi-dependencies]
cosmos-curator = { path = ".", editable = true }
[feature.runtime]
platforms = ["linux-64-cuda", "linux-aarch64-cuda"]
[feature.runtime.pypi-dependencies]
paddlepaddle = { version = "==3.2.*", index = "https://www.index.invalid/cpu/" }
[feature.runtime.target.linux-aarch64.dependencies]
cuda-nvvm-tools = "13.0.*"
[environments]
tools = ["tools"]
model-download = ["linux", "core"]
default = ["core", "runtime"]
"""


def curator(folder: Path) -> Path:
    ffmpeg = conda("ffmpeg", "8.1.2", build="lgpl_h1")
    nvvm = conda("cuda-nvvm-tools", "13.0.88", subdir="linux-aarch64")
    ray = pypi("ray", "2.56.0", "https://files.index.invalid/ray-2.56.0-cp312-cp312-manylinux2014_x86_64.whl")
    paddle = pypi("paddlepaddle", "3.2.1", "https://files.index.invalid/paddlepaddle-3.2.1-py3-none-any.whl")
    rays = [ray, ray.replace("x86_64", "aarch64")]
    own = pypi("cosmos-curator", "1.0.0", "./")
    lines = ["version: 7", "platforms:", "- name: linux-64", "- name: linux-aarch64", "- name: osx-arm64"]
    for name in ("linux-64", "linux-aarch64"):
        lines += [f"- name: {name}-cuda", f"  subdir: {name}", "  virtual-packages:", "  - __cuda=13.0.2"]
        lines += ["  - __glibc=2.35"]
    lines.append("environments:")
    for environment, packages, suffix in (
        ("default", [PYTHON, ffmpeg, paddle], "-cuda"),
        ("model-download", [PYTHON, ffmpeg], ""),
        ("tools", [PYTHON, own], ""),
    ):
        lines += [f"  {environment}:", "    channels:", f"    - url: {CHANNEL}/", "    indexes:"]
        lines += ["    - https://index.invalid/simple", "    packages:"]
        for number, platform in enumerate(("linux-64", "linux-aarch64")):
            some = [*packages, rays[number]] if environment != "tools" else packages
            some += [nvvm] if environment == "default" and number else []
            lines += [f"      {platform}{suffix}:", *(f"      {package.splitlines()[0]}" for package in some)]
    everything = [PYTHON, ffmpeg, nvvm, *rays, paddle, own]
    write(folder, CURATOR, "\n".join([*lines, "packages:", *everything]) + "\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "cosmos-curator"\ndynamic = ["version"]\n')
    return folder


def taken(folder: Path, environment: str = "", chosen: Chosen | None = None) -> Intake:
    found = take(Tree().beside(folder), environment=environment, chosen=chosen or Chosen())
    assert found is not None
    return found


def test_environments_of_platforms_with_names_are_taken_each_where_its_machines_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = curator(tmp_path)
    monkeypatch.delenv("CONDA_OVERRIDE_CUDA", raising=False)
    for name, built in (("tools", True), ("model-download", False)):
        found = taken(folder, name)
        assert found.platforms() == PLATFORMS
        assert {file.name for file in found.locks(ARM64)["environment"].files} >= {"python"}
        assert found.builds_project(AMD64) == built
    assert taken(folder, "model-download").variables(AMD64) == {"PYTHONNOUSERSITE": "1"}
    with pytest.raises(NotTakenError, match=r"needs CUDA 13\.0\.2.*set CONDA_OVERRIDE_CUDA=13\.0\.2"):
        taken(folder).locks(AMD64)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "13.0.2")
    names = {
        platform: {file.name for file in taken(folder).locks(platform)["environment"].files} for platform in PLATFORMS
    }
    assert names[ARM64] - names[AMD64] == {"cuda-nvvm-tools"}
    assert {file.name for file in taken(folder).locks(AMD64)["pypi"].files} == {"paddlepaddle", "ray"}


# Fuyukai/h11: a pylock.toml of PDM, which calls what is required itself a group, too.
PDM = f"""lock-version = "1.0"
requires-python = ">=3.10"
environments = ["python_version >= \\"3.10\\""]
extras = []
dependency-groups = ["default", "dev"]
default-groups = ["default"]
created-by = "pdm"

[[packages]]
name = "pytest"
version = "8.4.2"
requires-python = ">=3.9"
sdist = {{name = "pytest-8.4.2.tar.gz", url = "https://x.invalid/pytest-8.4.2.tar.gz", hashes = {{sha256 = "{SHA}"}}}}
wheels = [
    {{name = "pytest-8.4.2-py3-none-any.whl",url = "https://x.invalid/p.whl",hashes = {{sha256 = "{SHA}"}}}},
]
marker = "\\"dev\\" in dependency_groups"
[packages.tool.pdm]
dependencies = ["iniconfig>=1"]

[[packages]]
name = "typing-extensions"
version = "4.15.0"
wheels = [
    {{name = "typing_extensions-4.15.0-py3-none-any.whl",hashes = {{sha256 = "{SHA}"}}}},
]
marker = "\\"default\\" in dependency_groups and python_version < \\"3.12\\""
"""


def test_a_pylock_of_pdm_has_its_groups_to_choose_from(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(PDM)
    with pytest.raises(NotTakenError, match="nothing besides its extras and groups: choose of --group dev"):
        taken(tmp_path).locks(AMD64)
    found = taken(tmp_path, chosen=Chosen((), ("dev",)))
    assert [file.name for file in found.locks(AMD64)["environment"].files] == ["pytest"]
    assert found.command == f"pdm lock -p {tmp_path}"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"python_version >= \\"3.10\\""', "\"sys_platform == 'win32'\"", r"is for sys_platform == 'win32'"),
        ('"python_version >= \\"3.10\\""', "\"python_version == '3.12'\"", r"is for python_version == '3\.12'"),
        ('["python_version >= \\"3.10\\""]', '"all"', "environments is no array"),
        ('"python_version >= \\"3.10\\""', '"nonsense"', "environments: 'nonsense' is no marker"),
        ('>=3.10"', '>=3.10,<3.13"', r"is for Python >=3\.10,<3\.13, and the images' own is 3\.13"),
        ('"1.0"', '"2.0"', "lock-version is '2.0', not 1"),
        ('wheels = [\n    {name = "pytest-8.4.2-py3-none-any.whl"', 'x = [\n    {name = ""', "only its sources"),
        ("pytest-8.4.2-py3-none-any.whl", "pytest-8.4.2-cp312-cp312-linux_x86_64.whl", "only for pytest"),
    ],
)
def test_a_pylock_for_others_says_for_whom(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in PDM
    (tmp_path / "pylock.toml").write_text(PDM.replace(old, new, 1))
    with pytest.raises(EnvError, match=told):
        taken(tmp_path, chosen=Chosen((), ("dev",))).locks(AMD64)


def test_a_later_minor_version_of_pylock_is_read(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(PDM.replace('"1.0"', '"1.1"', 1))
    assert taken(tmp_path, chosen=Chosen((), ("dev",))).locks(AMD64)


# NVIDIA/sphinx-llm requires a commit, NVIDIA/earth2studio has extras that exclude one another.
UV = f"""version = 1
revision = 3
requires-python = ">=3.12"
conflicts = [[{{ package = "mine", extra = "ace2" }}, {{ package = "mine", extra = "atlas" }}]]

[[package]]
name = "mine"
source = {{ virtual = "." }}
dependencies = [{{ name = "builder" }}]
[package.optional-dependencies]
ace2 = [{{ name = "builder" }}]
atlas = [{{ name = "builder" }}]
[package.metadata]
requires-dist = [
    {{ name = "builder", git = "https://x.invalid/builder.git?rev=9fa1" }},
    {{ name = "builder", marker = "extra == 'ace2'", git = "https://x.invalid/builder.git?rev=9fa1" }},
    {{ name = "builder", marker = "extra == 'atlas'", git = "https://x.invalid/builder.git?rev=9fa1" }},
]
provides-extras = ["ace2", "atlas"]

[[package]]
name = "builder"
version = "0.6.8"
source = {{ git = "https://x.invalid/builder.git?rev=9fa1#{"9" * 40}" }}
"""


def test_a_commit_is_refused_by_name_and_extras_that_exclude_one_another_are_told(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\ndynamic = ["version"]\nrequires-python = ">=3.12"\n'
        'dependencies = ["builder @ git+https://x.invalid/builder.git@9fa1"]\n'
        '[project.optional-dependencies]\nace2 = ["builder"]\natlas = ["builder"]\n'
        '[tool.uv]\nconflicts = [[{ extra = "ace2" }, { extra = "atlas" }]]\n'
    )
    with pytest.raises(NotTakenError, match=r"builder 0\.6\.8 .*git|builder comes from a repository"):
        taken(tmp_path).locks(AMD64)
    with pytest.raises(NotTakenError, match=r"conflicts.*choose others with --extra and --group"):
        taken(tmp_path, chosen=Chosen(("ace2", "atlas"))).locks(AMD64)
