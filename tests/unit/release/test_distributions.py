"""The wheel and the sdist are functions of the commit: whoever builds them, where, when and with which settings."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from images.errors import PackageContentError
from release.checkout import Checkout, read_checkout
from release.distributions import build_distributions
from tests.support.needs import needs
from tests.support.repository import COMMITTED, git, repository

pytestmark = needs("git")
LATER = """
import time
_real = time.time
time.time = lambda: _real() + 123_456_789
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(read_checkout(root, draft=False), tmp_path_factory.mktemp("built"))


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def contents(checkout: Checkout, output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in build_distributions(checkout, output)}


def test_every_file_has_the_time_of_the_commit_and_a_mode_of_everybodys(
    built: dict[str, bytes], tmp_path: Path
) -> None:
    assert len(built) == 2
    for name, content in built.items():
        (tmp_path / name).write_bytes(content)
        if name.endswith(".whl"):
            with zipfile.ZipFile(tmp_path / name) as wheel:
                when = datetime.fromtimestamp(COMMITTED, UTC).timetuple()[:5]
                assert {one.date_time[:5] for one in wheel.infolist()} == {when}
                assert {oct(one.external_attr >> 16 & 0o777) for one in wheel.infolist()} <= {"0o644", "0o755"}
        else:
            with tarfile.open(tmp_path / name) as sdist:
                assert {(one.mtime, one.uid, one.gid, one.uname) for one in sdist} == {(COMMITTED, 0, 0, "")}
                assert {oct(one.mode) for one in sdist} <= {"0o644", "0o755"}
            # gzip's own header has a time too, and could have a name (RFC 1952).
            assert int.from_bytes(content[4:8], "little") == COMMITTED
            assert not content[3] & 0b1000


def test_another_clone_user_and_time_give_the_same_bytes(
    root: Path, built: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: None
) -> None:
    clone = tmp_path / "another place, of a longer name"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    for path in clone.rglob("*"):
        if ".git" not in path.parts and path.is_file():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "sitecustomize.py").write_text(LATER)
    for name, value in {
        "PYTHONPATH": str(tmp_path / "later"),
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "HOME": str(tmp_path),
        "HATCH_METADATA_CLASSIFIERS_NO_VERIFY": "1",
        "HATCH_BUILD_NO_HOOKS": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert contents(read_checkout(clone, draft=False), tmp_path / "out") == built


def test_what_git_ignores_gets_into_neither(root: Path, built: dict[str, bytes], tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(root, here, symlinks=True)
    for name in ("jupyter_mcp/__pycache__/app.cpython-311.pyc", "labextension/node_modules/x/x.js", "dist/x.whl"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("left behind")
    assert contents(read_checkout(here, draft=False), tmp_path / "out") == built


def test_a_draft_has_what_is_here_and_a_release_would_not(root: Path, built: dict[str, bytes], tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(root, here, symlinks=True)
    (here / "jupyter_mcp" / "another.py").write_text("A = 1\n")
    draft = contents(read_checkout(here, draft=True), tmp_path / "out")
    (wheel,) = tmp_path.glob("out/*.whl")
    assert "jupyter_mcp/another.py" in zipfile.ZipFile(wheel).namelist()
    assert draft.keys() == built.keys()


def test_the_wheel_that_the_sdist_makes_is_the_wheel(built: dict[str, bytes], tmp_path: Path) -> None:
    (name,) = [name for name in built if name.endswith(".tar.gz")]
    (tmp_path / name).write_bytes(built[name])
    with tarfile.open(tmp_path / name) as sdist:
        sdist.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    files = tuple(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file())
    again = contents(Checkout(unpacked, files, "", COMMITTED), tmp_path / "again")
    (wheel,) = [name for name in built if name.endswith(".whl")]
    assert hashlib.sha256(again[wheel]).digest() == hashlib.sha256(built[wheel]).digest()


def test_a_project_that_can_not_be_built_ends_with_hatchlings_last_line(root: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(root, here, symlinks=True)
    project = (here / "pyproject.toml").read_text()
    (here / "pyproject.toml").write_text(project.replace('  "Typing :: Typed",', '  "No :: Such",'))
    with pytest.raises(PackageContentError, match="No :: Such"):
        build_distributions(read_checkout(here, draft=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()
