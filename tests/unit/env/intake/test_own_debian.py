"""Debian packages of a project's own: what asks for them, and the lock that answers."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from env.cli.main import main
from env.errors import LockMissingError, SpecError, StaleLockError, UnknownPackageError
from env.formats.lock import Lock, LockedFile, write_lock
from env.index.uv import Preferences
from env.intake.own_debian import asked_debian, base_of, own_debian, own_digest
from env.platforms import AMD64, ARM64, Platform
from env.resolve import own_debian as resolver
from env.resolve.debian import installed_status
from env.spec import Tree
from images.build.build import Build
from images.build.stack import plan_layers
from images.recipe.project import project_recipe
from images.recipe.recipe import read_recipe
from tests.support.pixi_files import MANIFEST, conda, lock, write

IMAGE = """
name = "mine"
title = "Mine"
description = "Mine"
platforms = ["linux/amd64"]
environments = ["conda"]
parts = ["base", "environment"]
created = 2026-11-01T00:00:00Z
"""
JQ = LockedFile("jq", "1.7", "pool/main/j/jq/jq_1.7_amd64.deb", "1" * 64, 10, "debian")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "apt.txt").write_text("# tools\njq tree # both\n\njq\n")
    subdirs = ("linux-64", "linux-aarch64")
    manifest = MANIFEST.replace('"osx-arm64"', '"linux-aarch64"')
    return write(tmp_path, manifest, lock(conda("numpy", "1.26.4"), platforms=subdirs))


def answered(folder: Path, platform: Platform = AMD64) -> None:
    """Write a lock that answers the folder."""
    asked, base = asked_debian(folder), base_of("conda", platform, Tree())
    assert asked is not None
    write_lock(Lock("debian-own", platform, own_digest(asked, base, Tree()), (JQ,)), folder)


def test_apt_txt_lists_packages_and_a_recipes_own_list_counts_more(project: Path) -> None:
    asked = asked_debian(project)
    assert asked is not None
    assert (asked.path.name, asked.packages) == ("apt.txt", ("jq", "tree"))
    (project / "image.toml").write_text(IMAGE + '[debian]\npackages = ["ffmpeg"]\n')
    asked = asked_debian(project)
    assert asked is not None
    assert (asked.path.name, asked.packages) == ("image.toml", ("ffmpeg",))
    assert asked_debian(project / "elsewhere") is None


@pytest.mark.parametrize(
    ("line", "said"),
    [("jq=1.7", "are for the lock"), ("jq:arm64", "are for the lock"), ("-y", "'-y' is no name")],
)
def test_what_is_no_name_of_a_package_is_told_with_its_line(project: Path, line: str, said: str) -> None:
    (project / "apt.txt").write_text(f"tree\n{line}\n")
    with pytest.raises(SpecError, match=rf"apt\.txt:2: .*{said}"):
        asked_debian(project)


def test_without_a_lock_nothing_is_built_and_the_command_is_told(project: Path) -> None:
    command = re.escape(f"./noxw -s lock -- --recipe {project} --debian")
    with pytest.raises(LockMissingError, match=command):
        own_debian(project, "conda", AMD64, Tree())
    answered(project)
    lock = own_debian(project, "conda", AMD64, Tree())
    assert lock is not None
    assert lock.files == (JQ,)
    (project / "apt.txt").write_text("tree\n")
    with pytest.raises(StaleLockError, match=rf"apt\.txt or the base below has changed: run `{command}"):
        own_debian(project, "conda", AMD64, Tree())


def test_another_base_makes_the_lock_stale(project: Path) -> None:
    answered(project)
    with pytest.raises(StaleLockError):
        own_debian(project, "wheels", AMD64, Tree())
    asked, base = asked_debian(project), base_of("conda", AMD64, Tree())
    assert asked is not None
    newer = replace(base, files=(replace(base.files[0], version="99"), *base.files[1:]))
    assert own_digest(asked, newer, Tree()) != own_digest(asked, base, Tree())


def test_the_packages_have_a_layer_after_the_base_and_can_be_done_without(project: Path) -> None:
    answered(project)
    tree = Tree()
    recipe, _ = project_recipe(project, tree)
    build = Build(recipe, (AMD64,), "conda", tree=tree)
    names = [plan.name for plan in plan_layers(recipe, AMD64, build.locks(AMD64))]
    assert names[:2] == ["debian", "apt"]
    assert JQ in [file for lock in build.needed() for file in lock.files]
    without = replace(recipe, image=recipe.image.model_copy(update={"skip_debian": True}))
    assert "apt" not in Build(without, (AMD64,), "conda", tree=tree).locks(AMD64)


def test_a_recipe_lists_its_packages(project: Path) -> None:
    (project / "image.toml").write_text(IMAGE + '[debian]\npackages = ["jq"]\n')
    answered(project)
    build = Build(read_recipe(project), (AMD64,), "conda")
    assert build.locks(AMD64)["apt"].files == (JQ,)


class Archive:
    """What apt would answer."""

    def __init__(self, _folder: Path, platform: Platform, *_: object) -> None:
        self.platform = platform
        self.installed: dict[str, str] = {}

    def run(self, *words: str) -> str:
        if words[0] != "install":
            return ""
        assert "bash" not in words, "the base has it"
        lines = [
            f"'http://a.example/debian/pool/{name}_1_all.deb' {name}_1_all.deb 5 SHA256:{'a' * 64}" for name in OFFERED
        ]
        return "\n".join(lines)

    def run_cache(self, *_: str) -> str:
        return "jq\ntree\nlibjq1\nbash\nfile\ngraphviz\n"

    def set_installed(self, versions: dict[str, str]) -> None:
        assert versions["libc6"]
        assert versions["debconf"] == "", "what only maintainer scripts use is taken as there"
        assert "perl-base" not in versions


OFFERED = ["jq", "libjq1"]


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "Apt", Archive)
    monkeypatch.setattr(resolver, "require_apt", lambda: None)
    monkeypatch.setattr(resolver, "archive_root", lambda name: f"http://a.example/{name}")


def locked(folder: Path) -> str:
    said = StringIO()
    resolver.lock_own_debian(
        Tree().beside(folder), (AMD64, ARM64), Preferences(None, None), Console(file=said, width=200)
    )
    return said.getvalue()


@pytest.mark.usefixtures("archive")
def test_what_is_locked_is_what_the_base_lacks_for_both_platforms(project: Path) -> None:
    (project / "apt.txt").write_text("jq bash\n")
    said = locked(project)
    assert "debian-own-linux-arm64.lock: 2 packages, 2 changed" in said
    assert "+ libjq1 1" in said
    for platform in (AMD64, ARM64):
        made = own_debian(project, "conda", platform, Tree())
        assert made is not None
        assert [file.name for file in made.files] == ["jq", "libjq1"]
    assert "2 packages, 0 changed" in locked(project)


@pytest.mark.usefixtures("archive")
def test_a_package_that_debian_has_not_is_told_with_near_names_and_nothing_is_written(project: Path) -> None:
    (project / "apt.txt").write_text("jq\ngraphvis\n")
    with pytest.raises(UnknownPackageError, match=r"apt\.txt:2: .* no package 'graphvis': did you mean graphviz"):
        locked(project)
    assert not list(project.glob("debian-own-*.lock"))


@pytest.mark.usefixtures("archive")
def test_a_package_that_needs_another_version_of_the_base_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.OFFERED", ["jq", "libc6"])
    with pytest.raises(SpecError, match=r"needs libc6 1, and the base has 2\."):
        locked(project)


def test_what_is_taken_as_installed_provides_what_the_archive_says() -> None:
    stanzas = ["Package: zlib1g\nVersion: 1\nProvides: libz1\n continued: x", "Package: other\nProvides: nothing"]
    text = installed_status(stanzas, {"zlib1g": "1:1.3", "debconf": ""}, "arm64")
    assert "Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64" in text
    assert "Version: 1:1.3" in text
    assert "Provides: libz1\n" in text
    assert "Version: 9999" in text
    assert "Provides: debconf-2.0" in text
    assert "nothing" not in text


def test_a_folder_that_asks_for_none_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "--recipe", str(tmp_path), "--debian"]) == 65
    assert "asks for no Debian packages: list them in apt.txt, or in image.toml" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["lock", "--debian"])
