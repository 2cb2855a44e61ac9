"""Images are a function of recipe and locks: whoever builds them, wherever, and however often."""

from __future__ import annotations

import csv
import hashlib
import json
import posixpath
import re
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.store.store import Store
from images.oci.extract import CHUNK, WHITEOUT
from images.oci.read import read_layout
from images.oci.unpack import members
from images.rootfs.bytecode import host

from .conftest import REPOSITORY, images


def built(
    recipe: Path, store: Store, output: Path, *more: str, env: dict[str, str] | None = None, umask: int = 0o022
) -> dict[str, Any]:
    arguments = ("build", "--recipe", recipe, "--env", "wheels", "--store", store.root, "--output", output, "--json")
    run = images(*arguments, *more, env=env, umask=umask, cold=bool(env))
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def reused(result: dict[str, Any]) -> set[bool]:
    return {layer["reused"] for one in result["platforms"] for layer in one["layers"]}


@pytest.mark.slow
def test_another_place_user_setting_and_store_give_the_same_index(
    recipe: Path, store: Store, cold_store: Store, tmp_path: Path
) -> None:
    # For the platform that is nobody's here: what it takes to make both is the same, and takes twice as long.
    one = ("--platform", "linux/arm64" if host() != ARM64 else "linux/amd64")
    first = built(recipe, store, tmp_path / "first", *one)
    elsewhere = tmp_path / "a different, longer place"
    shutil.copytree(recipe, elsewhere)
    (elsewhere / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello").chmod(0o700)
    settings = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)}
    again = built(elsewhere, cold_store, tmp_path / "again", *one, env=settings, umask=0o077)
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


SITE = "opt/env/lib/python3.13/site-packages"
DISTRIBUTION = rf"{SITE}/[^/]+\.dist-info"
FOREIGN = {"attach_linux_amd64.so": "debugpy's wheels carry it on every machine, and load it on amd64 only"}
LARGE = 4 << 20


@dataclass
class Held:
    """What an image holds, read from its layers as they are: to unpack it takes three times as long."""

    paths: set[str] = field(default_factory=set)
    machines: dict[int, list[str]] = field(default_factory=dict)
    """Programs and libraries by the machine that they say they are for."""
    bytecode: dict[str, str] = field(default_factory=dict)
    """The sha256 of pandas's compiled modules."""
    records: dict[str, str] = field(default_factory=dict)
    naming_the_builder: list[str] = field(default_factory=list)
    """Files with a path of who built the image."""

    def add(self, path: str, content: bytes) -> None:
        self.paths.add(path)
        name = posixpath.basename(path)
        if content[:4] == b"\x7fELF" and name not in FOREIGN:
            self.machines.setdefault(struct.unpack_from("<H", content, 18)[0], []).append(path)
        if path.startswith(f"{SITE}/pandas/") and name.endswith(".pyc"):
            self.bytecode[path] = hashlib.sha256(content).hexdigest()
        if name == "RECORD":
            self.records[path] = content.decode()
        if any(needle in content for needle in (str(REPOSITORY).encode(), str(Store().root).encode())):
            self.naming_the_builder.append(path)


@pytest.fixture(scope="module")
def held(layout: Path) -> dict[Platform, Held]:
    """The jupyter image of this checkout, for each platform."""
    found = {}
    for platform, image in read_layout(layout).items():
        found[platform] = Held()
        for tar, member in members(image):
            path = posixpath.normpath(member.name)
            assert not posixpath.basename(path).startswith(WHITEOUT), "a layer takes away: then this must, too"
            content = b""
            if (file := tar.extractfile(member) if member.isreg() else None) is not None:
                while len(content) < LARGE and (chunk := file.read(CHUNK)):
                    content += chunk
            found[platform].add(path, content)
    return found


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
@pytest.mark.slow
def test_every_program_and_library_is_of_its_platform(held: dict[Platform, Held], platform: Platform) -> None:
    machines = held[platform].machines
    assert set(machines) == {platform.elf_machine}, {number: paths[:3] for number, paths in machines.items()}
    assert len(machines[platform.elf_machine]) > 500


@pytest.mark.slow
def test_both_platforms_have_the_same_packages_and_bytecode(held: dict[Platform, Held]) -> None:
    def distributions(platform: Platform) -> set[str]:
        return {path for path in held[platform].paths if re.fullmatch(DISTRIBUTION, path)}

    assert distributions(AMD64) == distributions(ARM64)
    assert len(distributions(AMD64)) > 150
    modules = [path for path in held[AMD64].paths if path.startswith(f"{SITE}/pandas/") and path.endswith(".py")]
    assert len(modules) > 200
    assert len(held[AMD64].bytecode) == len(modules)
    assert held[AMD64].bytecode == held[ARM64].bytecode


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_no_path_of_the_builder_is_in_the_image(held: dict[Platform, Held], platform: Platform) -> None:
    assert held[platform].naming_the_builder == []


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_file_that_a_distribution_lists_is_there(held: dict[Platform, Held], platform: Platform) -> None:
    image = held[platform]
    records = {path: text for path, text in image.records.items() if re.fullmatch(rf"{DISTRIBUTION}/RECORD", path)}
    assert len(records) > 150
    for record, text in sorted(records.items()):
        listed = [posixpath.normpath(f"{SITE}/{row[0]}") for row in csv.reader(text.splitlines())]
        assert listed
        assert [name for name in listed if name not in image.paths] == [], record
