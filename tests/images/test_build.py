"""Images are a function of recipe and locks: whoever builds them, wherever, and however often."""

from __future__ import annotations

import csv
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.store.store import Store
from images.oci.read import read_layout
from images.oci.unpack import unpack

from .conftest import REPOSITORY, images


def built(
    recipe: Path, store: Store, output: Path, env: dict[str, str] | None = None, umask: int = 0o022
) -> dict[str, Any]:
    arguments = ("build", "--recipe", recipe, "--env", "wheels", "--store", store.root, "--output", output, "--json")
    run = images(*arguments, env=env, umask=umask)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def reused(result: dict[str, Any]) -> set[bool]:
    return {layer["reused"] for one in result["platforms"] for layer in one["layers"]}


def test_another_place_user_setting_and_store_give_the_same_index(
    recipe: Path, store: Store, cold_store: Store, tmp_path: Path
) -> None:
    first = built(recipe, store, tmp_path / "first")
    elsewhere = tmp_path / "a different, longer place"
    shutil.copytree(recipe, elsewhere)
    (elsewhere / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello").chmod(0o700)
    settings = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)}
    again = built(elsewhere, cold_store, tmp_path / "again", settings, umask=0o077)
    assert reused(again) == {False}
    assert again["index"] == first["index"]


def test_a_second_build_makes_no_layer_and_a_changed_file_one_per_platform(
    recipe: Path, store: Store, tmp_path: Path
) -> None:
    first = built(recipe, store, tmp_path / "out")
    second = built(recipe, store, tmp_path / "out")
    assert reused(second) == {True}
    assert second["index"] == first["index"]
    script = recipe / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello"
    script.write_text(script.read_text() + "# changed\n")
    third = built(recipe, store, tmp_path / "out")
    assert third["index"] != first["index"]
    for one in third["platforms"]:
        assert [layer["name"] for layer in one["layers"] if not layer["reused"]] == ["image"]


@pytest.fixture(scope="module")
def roots(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Platform, Path]]:
    """The jupyter image of this checkout, unpacked for each platform."""
    found = {}
    for platform, image in read_layout(layout).items():
        found[platform] = tmp_path_factory.mktemp(platform.slug)
        unpack(image, found[platform])
    yield found
    for root in found.values():
        shutil.rmtree(root)


FOREIGN = {"attach_linux_amd64.so": "debugpy's wheels carry it on every machine, and load it on amd64 only"}


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_program_and_library_is_of_its_platform(roots: dict[Platform, Path], platform: Platform) -> None:
    machines: dict[int, list[Path]] = {}
    for path in roots[platform].rglob("*"):
        if path.is_symlink() or not path.is_file() or path.name in FOREIGN:
            continue
        with path.open("rb") as file:
            head = file.read(20)
        if head[:4] == b"\x7fELF":
            machines.setdefault(struct.unpack_from("<H", head, 18)[0], []).append(path)
    assert set(machines) == {platform.elf_machine}, {number: paths[:3] for number, paths in machines.items()}
    assert len(machines[platform.elf_machine]) > 500


def test_both_platforms_have_the_same_packages_and_bytecode(roots: dict[Platform, Path]) -> None:
    def files(platform: Platform, pattern: str) -> set[str]:
        return {path.relative_to(roots[platform]).as_posix() for path in roots[platform].glob(pattern)}

    site = "opt/env/lib/python3.13/site-packages"
    assert files(AMD64, f"{site}/*.dist-info") == files(ARM64, f"{site}/*.dist-info")
    assert len(files(AMD64, f"{site}/*.dist-info")) > 150
    modules = files(AMD64, f"{site}/pandas/**/*.py")
    cached = files(AMD64, f"{site}/pandas/**/*.pyc")
    assert len(modules) > 200
    assert len(cached) == len(modules)
    for name in cached:
        assert (roots[AMD64] / name).read_bytes() == (roots[ARM64] / name).read_bytes()


def test_no_path_of_the_builder_is_in_the_image(roots: dict[Platform, Path]) -> None:
    needles = [str(REPOSITORY).encode(), str(Store().root).encode()]
    for path in roots[AMD64].rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 4 << 20:
            content = path.read_bytes()
            assert not any(needle in content for needle in needles), path


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_file_that_a_distribution_lists_is_there(roots: dict[Platform, Path], platform: Platform) -> None:
    site = roots[platform] / "opt/env/lib/python3.13/site-packages"
    records = sorted(site.glob("*.dist-info/RECORD"))
    assert len(records) > 150
    for record in records:
        listed = [row[0] for row in csv.reader(record.read_text().splitlines())]
        assert listed
        assert [name for name in listed if not (site / name).exists()] == [], record
