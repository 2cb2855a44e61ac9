"""``python -m release`` in a repository of its own: what it makes, refuses, and finds to differ."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from env.errors import Exit
from release.twice import WORK, differences, lock_of
from tests.support.needs import needs
from tests.support.repository import COMMITTED, commit, git, release, repository

FAST = ("--only", "distributions")
pytestmark = needs("git")
LEAKS = {
    "time": "time.time_ns()",
    "folder": "self.root",
    "hash": "hash('a')",
    "home": "os.environ['HOME']",
    "zone": "time.tzname",
    "language": "os.environ['LC_ALL']",
    "mtime": "os.stat('pyproject.toml').st_ctime_ns",
}
"""What a build might take from its builder, by what it is."""
HOOK = """
import os, pathlib, time
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        for name, what in {"umask": os.umask(0), LEAKS}.items():
            made = pathlib.Path(self.root) / "jupyter_mcp" / f"made_{name}.py"
            made.write_text(f"MADE = {what!r}\\n")
            build_data["artifacts"].append(f"jupyter_mcp/made_{name}.py")
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def root(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "repository", symlinks=True))


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
    commit(root)


def test_a_release_is_a_folder_with_everything_and_its_checksums(root: Path) -> None:
    done = release(root, *FAST, "--json", umask=0o077)
    assert done.returncode == 0, done.stderr
    told, folder = json.loads(done.stdout), root / "dist" / "release"
    stem = "jupyter_mcp_rooms-0.1.0"
    files = {f"{stem}-py3-none-any.whl", f"{stem}.tar.gz", f"{stem}.spdx.json", f"{stem}.intoto.json"}
    assert {path.name for path in folder.iterdir()} == files | {"release-notes.md", "SHA256SUMS"}
    assert told["version"] == "0.1.0"
    assert set(told["files"]) == files | {"release-notes.md"}
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert checked.returncode == 0
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o644"}
    statement = json.loads((folder / f"{stem}.intoto.json").read_text())
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == {
        name: told["files"][name] for name in files if not name.endswith(".json")
    }
    build = statement["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {"SOURCE_DATE_EPOCH": str(COMMITTED)}
    assert {"name": "commit", "digest": {"gitCommit": told["commit"]}} in build["resolvedDependencies"]
    assert len(told["commit"]) == 40


def test_the_bill_is_valid_spdx_and_lists_what_is_required(root: Path) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file  # noqa: PLC0415 - it takes a second
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document  # noqa: PLC0415

    done = release(root, *FAST)
    assert done.returncode == 0, done.stderr
    document = parse_file(str(root / "dist" / "release" / "jupyter_mcp_rooms-0.1.0.spdx.json"))
    assert validate_full_spdx_document(document) == []
    names = {package.name for package in document.packages}
    assert {"jupyter-mcp-rooms", "fastmcp", "jupyter-server", "pycrdt"} <= names


@pytest.mark.parametrize("draft", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_builds_agree_and_leave_nothing(root: Path, draft: bool) -> None:
    if draft:
        (root / "jupyter_mcp" / "another.py").write_text("A = 1\n")
    done = release(root, "--check", *FAST, *(["--draft"] if draft else []))
    assert done.returncode == 0, done.stderr
    assert "twice the same: 5 files" in done.stderr
    assert list((root / WORK).iterdir()) == []
    assert not (root / "dist" / "release").exists()


def test_what_depends_on_the_builder_is_found_and_named(root: Path) -> None:
    leaks = ", ".join(f'"{name}": {what}' for name, what in LEAKS.items())
    (root / "hatch_build.py").write_text(HOOK.replace("LEAKS", leaks))
    edit(root, "pyproject.toml", "[tool.hatch.build]", "[tool.hatch.build.hooks.custom]\n\n[tool.hatch.build]")
    done = release(root, "--check", *FAST, TZ="UTC", LC_ALL="C.UTF-8")
    assert done.returncode == Exit.FAULTS, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "-py3-none-any.whl: " in line]
    for name in LEAKS:
        assert f"jupyter_mcp/made_{name}.py differs in content" in line
    # Whose umask it is makes no difference to hatchling: it is given one.
    assert "made_umask" not in line
    # Both are kept, for a look.
    assert (root / WORK / "first").is_dir()
    assert (root / WORK / "second").is_dir()


def test_two_checks_at_once_do_not_meet(root: Path) -> None:
    (root / WORK).mkdir(parents=True)
    (root / WORK / "first").mkdir()
    handle = os.open(lock_of(root / WORK), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = release(root, "--check", *FAST)
    finally:
        os.close(handle)
    assert done.returncode == Exit.BUSY, done.stderr
    assert "another --check is using" in done.stderr
    assert (root / WORK / "first").is_dir()


@pytest.mark.slow
def test_a_check_begins_anew_where_one_was_killed(root: Path) -> None:
    (root / WORK / "first" / "images").mkdir(parents=True)
    (root / WORK / "second").mkdir()
    done = release(root, "--check", *FAST)
    assert done.returncode == 0, done.stderr
    assert list((root / WORK).iterdir()) == []


def _no_section(root: Path) -> None:
    edit(root, "CHANGELOG.md", "## 0.1.0 - 2026-11-01", "## 0.0.9 - 2026-11-01")


def _another_version(root: Path) -> None:
    edit(root, "server.json", '"version": "0.1.0"', '"version": "0.2.0"')


def _another_tag(root: Path) -> None:
    git(root, "tag", "v0.2.0")


def _another_recipe(root: Path) -> None:
    edit(root, "recipe/recipe.yaml", "- pip\n", "- pip\n    - flit\n")


def _uncommitted(root: Path) -> None:
    (root / "jupyter_mcp" / "another.py").touch()


def _no_checkout(root: Path) -> None:
    shutil.rmtree(root / ".git")


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        (_no_section, Exit.MISSING, "CHANGELOG.md has no section for 0.1.0"),
        (_another_version, Exit.DATA, "server.json has 0.2.0"),
        (_another_tag, Exit.DATA, "the tag v0.2.0 has 0.2.0"),
        (_another_recipe, Exit.DATA, "requirements.host has 'flit'"),
        (_uncommitted, Exit.DATA, "jupyter_mcp/another.py"),
        (_no_checkout, Exit.MISSING, "is no git checkout"),
    ],
)
def test_what_is_not_ready_is_refused_in_a_line_and_makes_nothing(
    root: Path, spoil: Callable[[Path], None], code: Exit, told: str
) -> None:
    spoil(root)
    done = release(root, *FAST)
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in line
    assert "Traceback" not in done.stderr
    assert not (root / "dist" / "release").exists()


def test_a_refused_release_leaves_the_one_before(root: Path) -> None:
    assert release(root, *FAST).returncode == 0
    before = (root / "dist" / "release" / "SHA256SUMS").read_text()
    _another_tag(root)
    assert release(root, *FAST).returncode == Exit.DATA
    assert (root / "dist" / "release" / "SHA256SUMS").read_text() == before


def test_a_check_says_that_the_notes_are_still_unreleased(root: Path) -> None:
    edit(root, "CHANGELOG.md", "## 0.1.0 - 2026-11-01", "- A thing.\n\n## 0.0.9 - 2026-11-01")
    done = release(root, "--check", *FAST)
    assert done.returncode == 0, done.stderr
    assert "notes are of Unreleased" in done.stderr


def test_a_version_is_written_and_then_agrees_but_for_what_must_be_built(root: Path) -> None:
    done = release(root, "--set-version", "0.2.0")
    assert done.returncode == 0, done.stderr
    assert "./noxw -s labextension" in done.stderr
    commit(root)
    refused = release(root, *FAST)
    assert refused.returncode == Exit.DATA
    assert "jupyter_mcp/labextension/package.json has 0.1.0" in refused.stderr
    assert release(root, "--set-version", "2").returncode == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--only", "distributions", "--image", "jupyter"), "--image is about images"),
        (("--image", "jupiter"), "unknown image 'jupiter': there are recipes for builder, jupyter"),
        (("--chek",), "did you mean --check?"),
        (("now",), "unrecognized arguments: now"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(root: Path, words: tuple[str, ...], told: str) -> None:
    done = release(root, *words)
    assert done.returncode == Exit.USAGE
    assert told in done.stderr


def test_every_aspect_in_which_archives_differ_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode, when, order in ((first, 0o644, 0, "ab"), (second, 0o600, 60, "ba")):
        folder.mkdir()
        with zipfile.ZipFile(folder / "x.whl", "w") as wheel:
            for name in order:
                info = zipfile.ZipInfo(name, (2026, 1, 1, 0, when // 60, 0))
                info.external_attr = mode << 16
                wheel.writestr(info, f"{name} {mode if name == 'a' else ''}")
        with tarfile.open(folder / "x.tar.gz", "w:gz") as sdist:
            member = tarfile.TarInfo("a")
            member.mtime = when
            sdist.addfile(member)
        (folder / f"{order}.txt").touch()
    lines = list(differences(first, second))
    assert lines == [
        "ab.txt: only the first has it",
        "ba.txt: only the second has it",
        "x.tar.gz: a differs in time",
        "x.whl: a differs in content and mode and time; b differs in mode and time; the order of the files differs",
    ]
