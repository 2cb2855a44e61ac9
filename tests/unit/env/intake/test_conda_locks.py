"""conda-lock.yml and @EXPLICIT files as what an image is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import EnvError, LockFormatError, NotTakenError, StaleLockError, UnlockedError
from env.formats.conda_lock import CONDA_LOCK
from env.intake.found import take
from env.intake.intake import Intake
from env.platforms import AMD64, ARM64
from env.spec import ROOT, Tree

HEAD = "version: 1\nmetadata:\n  content_hash: {}\n  channels: []\n  platforms: [linux-64]\n  sources: []\npackage:\n"
URL = "https://conda.anaconda.org/bioconda"


def entry(name: str, version: str = "1.0", *, url: str = "", manager: str = "conda", more: str = "") -> str:
    place = url or f"{URL}/linux-64/{name}-{version}-h0_0.tar.bz2"
    return (
        f"- name: {name}\n  version: '{version}'\n  manager: {manager}\n  platform: linux-64\n  dependencies: {{}}\n"
        f"  url: {place}\n  hash:\n    sha256: {'a' * 64}\n{more}"
    )


def taken(folder: Path, text: str, environment: str = "") -> Intake:
    (folder / "conda-lock.yml").write_text(text)
    found = take(Tree().beside(folder), environment=environment)
    assert found is not None
    return found


def test_packages_of_any_channel_and_kind_are_taken_with_the_wheels_over_them(tmp_path: Path) -> None:
    wheel = entry("flask", "3.0", url="https://x.invalid/flask-3.0-py3-none-any.whl", manager="pip")
    locks = taken(tmp_path, HEAD + entry("samtools") + entry("python", "3.12.1") + wheel).locks(AMD64)
    samtools = locks["environment"].files[1]
    assert (samtools.file, samtools.archive) == ("linux-64/samtools-1.0-h0_0.tar.bz2", f"{URL}/")
    assert (samtools.version, samtools.size, locks["environment"].python) == ("1.0 h0_0", 0, "3.12.1")
    assert [file.url for file in locks["pypi"].files] == ["https://x.invalid/flask-3.0-py3-none-any.whl"]


def test_a_category_is_chosen_beside_the_main_one(tmp_path: Path) -> None:
    text = HEAD + entry("a") + entry("b", more="  category: dev\n")
    assert [file.name for file in taken(tmp_path, text).locks(AMD64)["environment"].files] == ["a"]
    assert [file.name for file in taken(tmp_path, text, "dev").locks(AMD64)["environment"].files] == ["a", "b"]
    with pytest.raises(UnlockedError, match="it has dev, main"):
        taken(tmp_path, text, "prod").locks(AMD64)


def test_a_lock_that_lacks_what_its_environment_yml_asks_for_is_stale(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n- conda-forge::a=1.0\n- pywin32  # [win]\n")
    assert taken(tmp_path, HEAD + entry("a")).locks(AMD64)
    (tmp_path / "environment.yml").write_text("dependencies:\n- a>=2\n")
    with pytest.raises(
        StaleLockError, match=r"asks for `a>=2`, and it has a 1\.0 h0_0 for linux-64: run `conda-lock -f"
    ):
        taken(tmp_path, HEAD + entry("a")).locks(AMD64)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (HEAD + entry("a", url="https://x.invalid/a-1.0.tar.gz"), NotTakenError, "is no package of a channel"),
        (HEAD + entry("a", url="file:///tmp/linux-64/a-1-0.conda"), NotTakenError, "is on no server"),
        (HEAD + entry("a", manager="pip"), NotTakenError, "has no package"),
        (HEAD + entry("a").replace("sha256", "md5"), LockFormatError, "a has no sha256"),
        (
            HEAD + entry("a").replace("dependencies: {}", "dependencies: {__glibc: '>=2.99'}"),
            NotTakenError,
            "glibc 2.99",
        ),
        (HEAD + entry("a") + entry("a", "2.0"), LockFormatError, "names a package twice"),
        ("version: 2\n", LockFormatError, "is no conda-lock.yml of version 1"),
        ("a: [\n", LockFormatError, "not YAML"),
        (HEAD + "- 1\n", LockFormatError, "has a package without name"),
    ],
)
def test_what_can_not_be_used_says_why(tmp_path: Path, text: str, error: type[EnvError], told: str) -> None:
    with pytest.raises(error) as caught:
        taken(tmp_path, text).locks(AMD64)
    assert told in str(caught.value)


def test_a_platform_that_is_not_locked_is_told(tmp_path: Path) -> None:
    found = taken(tmp_path, HEAD + entry("a"))
    assert found.platforms() == (AMD64,)
    with pytest.raises(NotTakenError, match="build with --platform linux/amd64"):
        found.locks(ARM64)
    other = taken(tmp_path, HEAD + entry("a").replace("platform: linux-64", "platform: osx-64"))
    other.tree.root.joinpath("conda-lock.yml").touch()
    with pytest.raises(NotTakenError, match="is for osx-64 and not for linux-64"):
        other.platforms()


def test_this_projects_own_conda_lock_yml_is_one(tmp_path: Path) -> None:
    found = taken(tmp_path, (ROOT / CONDA_LOCK).read_text())
    for platform in (AMD64, ARM64):
        assert len(found.locks(platform)["environment"].files) > 100


def explicit(folder: Path, name: str, *lines: str, platform: str = "linux-64") -> None:
    (folder / name).write_text("\n".join([f"# platform: {platform}", "@EXPLICIT", *lines]) + "\n")


def test_explicit_files_are_taken_one_a_platform(tmp_path: Path) -> None:
    for platform in ("linux-64", "linux-aarch64"):
        url = f"{URL}/{platform}/python-3.12.1-h0_0_cpython.conda#{'b' * 64}"
        explicit(tmp_path, f"conda-{platform}.lock", url, platform=platform)
    found = take(Tree().beside(tmp_path))
    assert found is not None
    assert found.platforms() == (AMD64, ARM64)
    (python,) = found.locks(ARM64)["environment"].files
    assert (python.name, python.sha256, python.file) == (
        "python",
        "b" * 64,
        "linux-aarch64/python-3.12.1-h0_0_cpython.conda",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{URL}/linux-64/a-1-0.conda#{'a' * 32}", "a-1-0.conda has an md5"),
        (f"{URL}/linux-64/a-1-0.conda", "a-1-0.conda has no hash"),
        (f"/home/me/linux-64/a-1-0.conda#{'a' * 64}", "is on no server"),
    ],
)
def test_an_explicit_file_must_have_sha256(tmp_path: Path, line: str, told: str) -> None:
    explicit(tmp_path, "spec.txt", line)
    found = take(Tree().beside(tmp_path))
    assert found is not None
    with pytest.raises(EnvError, match=told):
        found.locks(AMD64)


def test_a_package_that_is_in_several_categories_is_taken_once(tmp_path: Path) -> None:
    twice = entry("numpy", "1.26.4") + entry("numpy", "1.26.4", more="  category: dev\n")
    found = taken(tmp_path, HEAD + entry("python", "3.12.1") + twice, "dev").locks(AMD64)
    assert [file.name for file in found["environment"].files] == ["numpy", "python"]


def test_a_lock_that_lacks_what_pip_is_asked_for_is_stale(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n- python\n- pip:\n  - flask>=3\n  - -r more.txt\n")
    with pytest.raises(StaleLockError, match="asks for `flask>=3`, and it has none"):
        taken(tmp_path, HEAD + entry("python", "3.12.1")).locks(AMD64)
    old = entry("flask", "2.0", url="https://x.invalid/flask-2.0-py3-none-any.whl", manager="pip")
    with pytest.raises(StaleLockError, match=r"asks for `flask>=3`, and it has flask 2\.0"):
        taken(tmp_path, HEAD + entry("python", "3.12.1") + old).locks(AMD64)
    assert taken(tmp_path, HEAD + entry("python", "3.12.1") + entry("flask", "3.1")).locks(AMD64)


def test_with_another_category_what_is_asked_for_in_main_must_be_there_too(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n- a\n- c\n")
    text = HEAD + entry("a") + entry("b", more="  category: dev\n")
    with pytest.raises(StaleLockError, match="asks for `c"):
        taken(tmp_path, text, "dev").locks(AMD64)
    (tmp_path / "environment.yml").write_text("category: dev\ndependencies:\n- c\n")
    assert taken(tmp_path, text).locks(AMD64)
    with pytest.raises(StaleLockError, match="asks for `c"):
        taken(tmp_path, text, "dev").locks(AMD64)


def test_the_sources_that_the_lock_names_count_and_no_other(tmp_path: Path) -> None:
    text = HEAD.replace("sources: []", "sources: [one.yml, ../two.yml]") + entry("a")
    (tmp_path / "environment.yml").write_text("dependencies:\n- others\n")
    assert taken(tmp_path, text).locks(AMD64)
    (tmp_path / "one.yml").write_text("dependencies:\n- b\n")
    with pytest.raises(StaleLockError, match=r"one\.yml asks for `b"):
        taken(tmp_path, text).locks(AMD64)


@pytest.mark.parametrize("manager", ["Conda", "apt", "''"])
def test_a_package_of_an_unknown_manager_is_not_left_out(tmp_path: Path, manager: str) -> None:
    with pytest.raises(LockFormatError, match="b has a manager that is none of conda, pip"):
        taken(tmp_path, HEAD + entry("a") + entry("b", manager=manager)).locks(AMD64)


def test_a_package_without_what_it_depends_on_is_named(tmp_path: Path) -> None:
    needs = entry("a").replace("dependencies: {}", "dependencies: {b: '>=2,<3', __unix: '', c: 1.* h0_*}")
    texts = [one.text for one in taken(tmp_path, HEAD + needs + entry("b")).lacking(AMD64)]
    assert texts == [
        "a 1.0 h0_0 depends on `b >=2,<3`, and there is 1.0 h0_0",
        "a 1.0 h0_0 depends on `c 1.* h0_*`, which is not there",
    ]
    assert not [*taken(tmp_path, HEAD + needs + entry("b", "2.5") + entry("c")).lacking(AMD64)]


def test_wheels_that_conda_lock_writes_into_explicit_files_go_in(tmp_path: Path) -> None:
    python = f"{URL}/linux-64/python-3.12.1-h0_0_cpython.conda#{'b' * 64}"
    wheel = "https://x.invalid/flask-3.0-py3-none-any.whl"
    explicit(tmp_path, "conda.lock", python, f"# pip flask @ {wheel} --hash=sha256:{'c' * 64}", "# pipelines are fun")
    found = take(Tree().beside(tmp_path))
    assert found is not None
    (file,) = found.locks(AMD64)["pypi"].files
    assert (file.name, file.version, file.url, file.sha256) == ("flask", "3.0", wheel, "c" * 64)


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("# pip flask==3.0", NotTakenError, "is no wheel at an address"),
        ("# pip flask @ https://x.invalid/flask-3.0-py3-none-any.whl", LockFormatError, "has no sha256"),
        (f"# pip flask @ https://x.invalid/flask-3.0.tar.gz --hash=sha256:{'c' * 64}", NotTakenError, "has no wheel"),
        (f"#pip flask @ git+https://x.invalid/flask --hash=sha256:{'c' * 64}", NotTakenError, "comes from git"),
    ],
)
def test_a_line_for_pip_in_an_explicit_file_is_never_passed_over(
    tmp_path: Path, line: str, error: type[EnvError], told: str
) -> None:
    explicit(tmp_path, "conda.lock", f"{URL}/linux-64/python-3.12.1-h0_0_cpython.conda#{'b' * 64}", line)
    found = take(Tree().beside(tmp_path))
    assert found is not None
    with pytest.raises(error, match=told):
        found.locks(AMD64)
