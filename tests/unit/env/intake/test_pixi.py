"""pixi projects of other people: what is taken of them, and what is refused by a reason that their owner can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import (
    AdditionsError,
    EnvError,
    LockFormatError,
    NotTakenError,
    SpecError,
    StaleLockError,
    UnlockedError,
)
from env.intake.added import added
from env.intake.found import take
from env.intake.pixi import PixiIntake
from env.platforms import AMD64, ARM64
from env.spec import Tree
from tests.support.pixi_files import MANIFEST, conda, lock, pypi, write

PYTHON = conda("python", "3.11.9", build="h1_0_cpython")
NUMPY = conda("numpy", "1.26.4")
AT = "https://x.invalid/"
WHEEL = "https://files.index.invalid/a/flask-3.0.0-py3-none-any.whl"


def taken(folder: Path, environment: str = "") -> PixiIntake:
    found = take(Tree().beside(folder), environment=environment)
    assert isinstance(found, PixiIntake)
    return found


def read_all(folder: Path) -> None:
    found = taken(folder)
    found.locks(AMD64)
    found.variables(AMD64)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_locks_of_each_version_are_read_and_other_systems_are_nothing(tmp_path: Path, version: int) -> None:
    found = taken(
        write(tmp_path, MANIFEST + '[dependencies]\nnumpy = "1.26.*"\n', lock(PYTHON, NUMPY, version=version))
    )
    assert found.platforms() == (AMD64,)
    environment = found.locks(AMD64)["environment"]
    assert [(file.name, file.version, file.size) for file in environment.files] == [
        ("numpy", "1.26.4 0", 1000),
        ("python", "3.11.9 h1_0_cpython", 1000),
    ]
    assert environment.python == "3.11.9"
    assert environment.files[0].archive == "https://conda.anaconda.org/conda-forge/"
    assert environment.files[0].file == "linux-64/numpy-1.26.4-0.conda"


def test_a_platform_that_is_not_locked_is_told_with_those_that_are(tmp_path: Path) -> None:
    found = taken(write(tmp_path, MANIFEST, lock(NUMPY)))
    with pytest.raises(NotTakenError, match=r"not locked for linux-aarch64: build with --platform linux/amd64, or add"):
        found.locks(ARM64)
    other = taken(write(tmp_path / "mac", MANIFEST, lock(conda("numpy", "1", subdir="noarch"), platforms=["osx-64"])))
    with pytest.raises(NotTakenError, match=r"is for osx-64 and not for linux-64 or linux-aarch64: .*`pixi lock"):
        other.platforms()


def test_tables_that_do_not_matter_for_a_locked_environment_are_left_unread(tmp_path: Path) -> None:
    more = """
homepage = "https://example.org"
exclude-newer = "7d"
channel-priority = "strict"
[exclude-newer]
numpy = "0d"
[constraints]
numpy = "<2"
[tool.other]
x = 1
[feature.unused]
platforms = ["win-64"]
[feature.unused.dependencies]
mine = { path = "." }
[target.win-64.dependencies]
pywin32 = "*"
[tasks]
start = { depends-on = ["x"] }
"""
    assert taken(write(tmp_path, MANIFEST + more, lock(NUMPY))).locks(AMD64)["environment"].files


@pytest.mark.parametrize(
    ("name", "manifest"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n" + MANIFEST.replace("[workspace]", "[tool.pixi.workspace]")),
        ("pixi.toml", MANIFEST.replace("[workspace]", "[project]")),
        ("mojoproject.toml", MANIFEST),
        (
            "pixi.toml",
            MANIFEST + "[dependencies]\nnumpy = {\n  version = '1.26.*',\n}\n[system-requirements]\nlinux = '5'\n",
        ),
        ("pixi.toml", MANIFEST.replace("name =", '"n\\x61me" =')),
    ],
    ids=["pyproject", "project", "mojo", "toml-1.1", "toml-1.1-escape"],
)
def test_manifests_of_each_kind_are_read(tmp_path: Path, name: str, manifest: str) -> None:
    found = taken(write(tmp_path, manifest, lock(NUMPY), name))
    assert [file.name for file in found.locks(AMD64)["environment"].files] == ["numpy"]


def test_an_environment_is_chosen_by_name_and_others_are_told(tmp_path: Path) -> None:
    manifest = MANIFEST + "[feature.test.dependencies]\npytest = '*'\n[environments]\ntest = ['test']\n"
    write(tmp_path, manifest, lock(NUMPY, conda("pytest", "8.0"), environments=["default", "test"]))
    assert taken(tmp_path, "test").name == "test"
    assert "also there: test (--environment NAME)" in next(taken(tmp_path).described())
    with pytest.raises(
        UnlockedError, match=r"has no environment 'prod': it has default, test; choose one with --environ"
    ):
        taken(tmp_path, "prod").locks(AMD64)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[dependencies]\nnumpy = "2.*"\n', "asks for `numpy 2.*`, and the lock has numpy 1.26.4 0"),
        ('[dependencies]\npandas = "*"\n', "asks for `pandas *`, and the lock has none"),
        ('[target.unix.dependencies]\npandas = "*"\n', "pandas"),
        ('[target.linux-64.dependencies]\nnumpy = ">=2"\n', "numpy >=2"),
        ('[host-dependencies]\npandas = "*"\n', "pandas"),
        ('[pypi-dependencies]\nflask = "*"\n', "`flask` of PyPI, and the lock has none"),
    ],
)
def test_a_stale_lock_keeps_its_reason_and_advises_nothing_about_our_own(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(StaleLockError) as error:
        taken(write(tmp_path, MANIFEST + text, lock(NUMPY))).locks(AMD64)
    assert told in str(error.value)
    assert f"run `pixi lock --manifest-path {tmp_path / 'pixi.toml'}`" in str(error.value)
    assert "./noxw" not in str(error.value)


def test_wheels_go_over_conda_packages_with_their_url_and_hash(tmp_path: Path) -> None:
    manifest = (
        MANIFEST
        + "[dependencies]\npython = '3.11.*'\n[pypi-dependencies]\nflask = { version = '>=3', extras = ['x'] }\n"
    )
    locks = taken(write(tmp_path, manifest, lock(PYTHON, pypi("flask", "3.0.0", WHEEL)))).locks(AMD64)
    (flask,) = locks["pypi"].files
    assert (flask.name, flask.version, flask.file, flask.url) == ("flask", "3.0.0", WHEEL.rpartition("/")[2], WHEEL)
    assert (locks["pypi"].python, locks["pypi"].source, flask.size) == ("3.11.9", "pypi", 0)


def test_what_conda_brings_answers_a_wish_of_pypi(tmp_path: Path) -> None:
    named = NUMPY.replace("  license:", "  purls:\n  - pkg:pypi/numerics\n  license:")
    found = taken(write(tmp_path, MANIFEST + "[pypi-dependencies]\nnumerics = '*'\n", lock(PYTHON, named)))
    assert "pypi" not in found.locks(AMD64)
    assert found.provided(AMD64)["numerics"] == "1.26.4"


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        (
            [PYTHON, pypi("flask", "3.0.0", AT + "flask-3.0.0.tar.gz")],
            "flask 3.0.0 has no wheel",
        ),
        (
            [PYTHON, pypi("flask", "3.0.0", "git+" + AT + "f.git?rev=1#abc", hashed=False)],
            "flask 3.0.0 comes from git",
        ),
        (
            [PYTHON, pypi("flask", "3.0.0", "./libs/flask", hashed=False)],
            "flask is the project in the folder ./libs/flask, which is not there",
        ),
        ([NUMPY, pypi("flask", "3.0.0", WHEEL)], "no CPython that it would run with"),
        (
            [PYTHON, pypi("f", "1", AT + "f-1-cp312-cp312-manylinux_2_17_x86_64.whl")],
            "another machine",
        ),
        (
            [PYTHON, pypi("f", "1", AT + "f-1-cp311-cp311-manylinux_2_99_x86_64.whl")],
            "another machine",
        ),
        ([conda("numpy", "1", depends=["__glibc >=2.99"])], "needs __glibc >=2.99, and the base has glibc 2."),
        ([conda("torch", "1", depends=["__cuda"])], "set CONDA_OVERRIDE_CUDA=VERSION"),
    ],
)
def test_what_can_not_be_installed_is_refused_by_name(tmp_path: Path, packages: list[str], told: str) -> None:
    with pytest.raises(NotTakenError) as error:
        taken(write(tmp_path, MANIFEST, lock(*packages))).locks(AMD64)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        ([PYTHON, pypi("flask", "3.0.0", WHEEL, hashed=False)], "flask-3.0.0-py3-none-any.whl has no sha256"),
        ([PYTHON, pypi("flask", "4.0.0", WHEEL)], "is no wheel of flask 4.0.0"),
        ([NUMPY.replace("sha256:", "comment:")], "has no sha256"),
    ],
)
def test_a_lock_must_say_which_file_it_means(tmp_path: Path, packages: list[str], told: str) -> None:
    with pytest.raises(LockFormatError, match=r"make it again with `pixi lock") as error:
        taken(write(tmp_path, MANIFEST, lock(*packages))).locks(AMD64)
    assert told in str(error.value)


def test_the_project_itself_is_built_editable_or_not(tmp_path: Path) -> None:
    manifest = "[project]\nname = 'mine'\nversion = '1'\n" + MANIFEST.replace("[workspace]", "[tool.pixi.workspace]")
    manifest += "[tool.pixi.pypi-dependencies]\nmine = { path = '.', editable = true }\n"
    own = pypi("mine", "1", "./", hashed=False) + "\n  editable: true"
    found = taken(write(tmp_path, manifest, lock(PYTHON, own), "pyproject.toml"))
    assert found.builds_project(AMD64)
    assert "pypi" not in found.locks(AMD64)


RICH = """version: 7
platforms:
- name: linux-64
  virtual-packages: [__unix=0=0, __linux=4.18, __glibc=2.28, __archspec=0=x86_64]
- name: p2
  subdir: linux-64
  virtual-packages: [__cuda=12, __unix=0=0, __linux=4.18, __glibc=2.28, __archspec=0=x86_64]
"""


def rich(*, plain: bool) -> str:
    """Return a lock whose platforms have names, one for machines with CUDA, which sorts before the plain one or not."""
    text = lock(NUMPY, version=7, platforms=["linux-64", "p2"] if plain else ["p2"])
    head, _, rest = text.partition("environments:")
    assert head
    platforms = RICH if plain else RICH.replace("- name: linux-64\n  virt", "- name: p1\n  subdir: osx-64\n  virt")
    return f"{platforms}environments:{rest}"


def test_of_platforms_with_names_the_one_that_the_base_is_is_taken(tmp_path: Path) -> None:
    assert taken(write(tmp_path, MANIFEST, rich(plain=True))).target(AMD64).virtual[0] == "__unix=0=0"


def test_cuda_is_refused_until_somebody_says_that_a_driver_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONDA_OVERRIDE_CUDA", raising=False)
    write(tmp_path, MANIFEST, rich(plain=False))
    with pytest.raises(NotTakenError, match=r"p2 needs CUDA 12, and the base has none: .*CONDA_OVERRIDE_CUDA=12"):
        taken(tmp_path).locks(AMD64)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.8")
    with pytest.raises(NotTakenError, match=r"CONDA_OVERRIDE_CUDA says 11\.8"):
        taken(tmp_path).locks(AMD64)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert taken(tmp_path).locks(AMD64)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[system-requirements]\nlibc = '2.99'\n", "needs glibc 2.99"),
        ("[system-requirements]\nlibc = { family = 'glibc', version = '2.99' }\n", "needs glibc 2.99"),
        ("[system-requirements]\ncuda = '12'\n", "needs CUDA 12"),
    ],
)
def test_system_requirements_that_the_base_can_not_meet_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(NotTakenError, match=told):
        taken(write(tmp_path, MANIFEST + text, lock(NUMPY))).locks(AMD64)


def test_activation_is_that_of_the_features_the_first_named_counting_most(tmp_path: Path) -> None:
    manifest = (
        MANIFEST
        + """
[activation]
scripts = ["base.sh"]
env = { A = "default", B = "default", N = 1 }
[target.unix.activation.env]
B = "unix"
[target.linux-64.activation]
env = { C = "linux-64" }
[target.win-64.activation.env]
D = "windows"
[feature.x.activation]
scripts = ["x.sh"]
env = { A = "x" }
[feature.y.activation.env]
A = "y"
[environments]
both = ["x", "y"]
"""
    )
    found = taken(write(tmp_path, manifest, lock(NUMPY, environments=["default", "both"])), "both")
    assert found.variables(AMD64) == {"A": "x", "B": "unix", "C": "linux-64", "N": "1"}
    assert [path.name for path in found.scripts(AMD64)] == ["x.sh", "base.sh"]


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("[workspace\n", r"pixi\.toml:1: not TOML"),
        (MANIFEST + "[dependencies]\nnumpy = 3\n", r"pixi\.toml:7: dependencies\.numpy is neither a version"),
        ("dependencies = 3\n" + MANIFEST, r"pixi\.toml:1: dependencies is no table"),
        (MANIFEST + "[environments]\ndefault = ['nope']\n", r"has a feature 'nope' that is not defined"),
        (MANIFEST + "[activation.env]\nX = [1]\n", r"activation\.env\.X is no text"),
    ],
)
def test_a_mistake_in_a_manifest_is_told_with_file_line_and_key(tmp_path: Path, manifest: str, told: str) -> None:
    write(tmp_path, manifest, lock(NUMPY))
    with pytest.raises(SpecError, match=told):
        read_all(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "version: 99\n", "- 1\n", "\0", "version: 6\nenvironments: 3\n"])
def test_what_is_no_lock_ends_with_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(EnvError):
        taken(write(tmp_path, MANIFEST, text)).locks(AMD64)


def test_a_lock_without_its_manifest_is_refused(tmp_path: Path) -> None:
    (write(tmp_path, MANIFEST, lock(NUMPY)) / "pixi.toml").unlink()
    with pytest.raises(UnlockedError, match=r"no pixi\.toml, and no pyproject\.toml with \[tool\.pixi\], beside it"):
        take(Tree().beside(tmp_path))


def test_projects_in_folders_of_the_workspace_are_built(tmp_path: Path) -> None:
    sub = pypi("sub", "1", "./libs/sub") + "\n  editable: true"
    manifest = MANIFEST + '[pypi-dependencies]\nsub = { path = "libs/sub", editable = true }\n'
    folder = write(tmp_path / "p", manifest, lock(PYTHON, sub))
    (folder / "libs" / "sub").mkdir(parents=True)
    (folder / "libs" / "sub" / "pyproject.toml").write_text(
        '[project]\nname = "sub"\nversion = "1"\ndependencies = ["flask"]\n'
    )
    found = taken(folder)
    assert found.folders(AMD64) == (folder / "libs" / "sub",)
    assert "flask" in found.requires(AMD64)
    assert "pypi" not in found.locks(AMD64)


def test_an_empty_default_environment_says_which_are_not(tmp_path: Path) -> None:
    empty = "environments:\n  default:\n    channels: []\n    packages: {}\n"
    text = lock(PYTHON, environments=("prod", "dev")).replace("environments:\n", empty)
    manifest = MANIFEST + "[feature.x.dependencies]\npython = '*'\n[environments]\nprod = ['x']\ndev = ['x']\n"
    with pytest.raises(UnlockedError, match=r"has nothing in environment 'default': choose .* of dev, prod"):
        taken(write(tmp_path, manifest, text)).platforms()


def test_conda_packages_of_sources_are_refused_with_what_would_do(tmp_path: Path) -> None:
    text = lock(PYTHON, version=7).replace("      - conda", "      - conda_source: mine[1234abcd] @ .\n      - conda")
    text += "- conda_source: mine[1234abcd] @ .\n  version: 0.1.0\n  build: h0\n  subdir: noarch\n"
    folder = write(tmp_path, MANIFEST + '[dependencies]\nmine = { path = "." }\n', text)
    with pytest.raises(NotTakenError, match=r"mine is a conda package that is built from sources \(\.\)"):
        taken(folder).locks(AMD64)


FREE = conda("python", "3.13.1", build="h9a34b6e_0_cp313t")


def test_wheels_over_a_free_threaded_python_are_refused_and_conda_packages_are_not(tmp_path: Path) -> None:
    asks = MANIFEST + '[pypi-dependencies]\nflask = "*"\n'
    with pytest.raises(NotTakenError, match=r"has flask of PyPI, and its Python 3\.13\.1 is a free-threaded one"):
        read_all(write(tmp_path / "a", asks, lock(FREE, pypi("flask", "3.0.0", WHEEL))))
    with pytest.raises(AdditionsError, match="free-threaded"):
        added(taken(write(tmp_path / "b", MANIFEST, lock(FREE, NUMPY))), AMD64)
    assert taken(tmp_path / "b").locks(AMD64)["environment"].files
    gil = conda("python", "3.13.1", build="h9a34b6e_0_cp313")
    assert taken(write(tmp_path / "c", asks, lock(gil, pypi("flask", "3.0.0", WHEEL)))).locks(AMD64)["pypi"].files


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ('{ git = "https://x.invalid/flask" }', "from git https://x.invalid/flask, and the lock has https"),
        ('{ url = "https://x.invalid/flask-4.0.0-py3-none-any.whl" }', "from url https://x.invalid"),
    ],
)
def test_a_package_of_pypi_that_is_taken_from_elsewhere_today_makes_the_lock_stale(
    tmp_path: Path, wish: str, told: str
) -> None:
    manifest = MANIFEST + f"[pypi-dependencies]\nflask = {wish}\n"
    with pytest.raises(StaleLockError, match=told):
        read_all(write(tmp_path, manifest, lock(PYTHON, pypi("flask", "3.0.0", WHEEL))))
    same = MANIFEST + f'[pypi-dependencies]\nflask = {{ url = "{WHEEL}" }}\n'
    read_all(write(tmp_path, same, lock(PYTHON, pypi("flask", "3.0.0", WHEEL))))


def test_a_wish_with_a_marker_is_looked_for_where_the_marker_is_true(tmp_path: Path) -> None:
    wish = MANIFEST + "[pypi-dependencies]\nflask = { version = '*', env-markers = \"sys_platform == '{0}'\" }\n"
    read_all(write(tmp_path, wish.replace("{0}", "win32"), lock(PYTHON)))
    with pytest.raises(StaleLockError, match="asks for `flask` of PyPI, and the lock has none"):
        read_all(write(tmp_path, wish.replace("{0}", "linux"), lock(PYTHON)))
