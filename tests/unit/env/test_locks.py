"""The committed locks, and what makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from env.cli.main import main
from env.errors import OverlayReplacesError, StaleLockError
from env.formats.freshness import require_fresh
from env.formats.lock import Lock, LockedFile, lock_name, read_lock, write_lock
from env.formats.wheel_tags import best_wheel, supported_tags
from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.resolve.locking import changes
from env.resolve.requirements import pins
from env.resolve.wheels import additions
from env.spec import LOCKS, Source, Tree

SOURCES: tuple[Source, ...] = ("debian", "debian-conda", "emulator", "sandbox", "wheels", "overlay", "conda-overlay")
UNIVERSAL: tuple[Source, ...] = ("wheels", "overlay")


def wheel(name: str) -> dict[str, str]:
    return {"url": f"https://index.example/{name}"}


def locked(name: str, version: str) -> LockedFile:
    return LockedFile(name, version, f"{name}-{version}-py3-none-any.whl", "0" * 64, 1)


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_a_committed_lock_is_fresh_and_canonical(source: Source, platform: Platform, tmp_path: Path) -> None:
    path = LOCKS / lock_name(source, platform)
    lock = read_lock(path)
    require_fresh(lock, Tree())
    assert write_lock(lock, tmp_path).read_bytes() == path.read_bytes()
    assert len({file.name for file in lock.files}) == len(lock.files)


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_locked_wheel_fits_its_platform_and_the_universal_lock(platform: Platform) -> None:
    tags = set(supported_tags(platform))
    lab = pins((LOCKS / "lab.txt").read_text())
    locks = [read_lock(LOCKS / lock_name(source, platform)) for source in UNIVERSAL]
    for lock in locks:
        for file in lock.files:
            assert tags & parse_wheel_filename(file.file)[3], file.file
            assert file.version in lab[file.name].replace(";", " ").split(), file.name


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_overlay_adds_and_never_replaces(platform: Platform) -> None:
    below = {file.name for file in read_lock(LOCKS / lock_name("wheels", platform)).files}
    above = {file.name for file in read_lock(LOCKS / lock_name("overlay", platform)).files}
    assert not below & above
    assert {"fastmcp", "opentelemetry-api"} <= above


def test_an_overlay_that_would_replace_a_package_is_refused_with_its_name() -> None:
    with pytest.raises(OverlayReplacesError, match=r"numpy 1 by 2 on linux/arm64"):
        additions([locked("numpy", "2")], [locked("numpy", "1")], ARM64)


def test_a_changed_spec_makes_a_lock_stale() -> None:
    with pytest.raises(StaleLockError, match="lock -- base"):
        require_fresh(Lock("debian", AMD64, "f" * 64), Tree())


def test_no_lock_names_an_address() -> None:
    for path in LOCKS.iterdir():
        assert "://" not in path.read_text(encoding="utf-8"), path.name


def test_the_most_specific_wheel_of_the_platform_wins() -> None:
    names = [
        "a-1-py3-none-any.whl",
        "a-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_28_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_34_x86_64.whl",
        "a-1-cp313-cp313-musllinux_1_2_x86_64.whl",
        "a-1-cp312-abi3-manylinux_2_28_x86_64.whl",
    ]
    order = {tag: rank for rank, tag in reversed(list(enumerate(supported_tags(AMD64))))}
    assert best_wheel([wheel(name) for name in names], order) == wheel(names[2])
    assert best_wheel([wheel(names[3]), wheel(names[4])], order) is None


def test_a_diff_has_one_line_a_package() -> None:
    assert changes({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["~ b 1 -> 2", "- c 1", "+ d 1"]


def test_an_unknown_platform_is_a_wrong_command_line() -> None:
    assert main(["fetch", "--platform", "vax"]) == 2
