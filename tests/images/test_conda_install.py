"""Installing conda packages into a staged prefix: what comes out, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from env.errors import StoreCorruptError
from env.formats.lock import LockedFile
from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.store.store import Store
from images.errors import PackageContentError
from images.rootfs.conda import entries, install
from images.rootfs.entries import Entry, Kind

from .conda_channel import CHANNEL, PLACEHOLDER, Content, Package, build


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def locked(store: Store, package: Package) -> LockedFile:
    data = build(package)
    file = f"{package.subdir}/{package.file_name}"
    return LockedFile(package.name, f"{package.version} 0", file, store.add(data), len(data), CHANNEL)


def installed(store: Store, files: list[LockedFile], scratch: Path, platform: Platform = AMD64) -> dict[str, bytes]:
    """Install, and give every file's bytes, or where a link points, by path in the image."""
    prefix = install(files, platform, store, scratch / platform.slug)
    found = [entry for file in files for entry in entries(file, prefix)]
    assert all(entry.mode in (0o755, 0o644) or entry.kind is Kind.SYMLINK for entry in found)
    return {entry.path: content(entry) for entry in found}


def content(entry: Entry) -> bytes:
    if entry.kind is Kind.SYMLINK:
        return entry.target.encode()
    return entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content


def simple(name: str, subdir: str = "linux-64", **files: Content) -> Package:
    return Package(name, "1", {path.replace("__", "/"): one for path, one in files.items()}, subdir)


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_two_installations_give_the_same_bytes(store: Store, tmp_path: Path, platform: Platform) -> None:
    files = [
        locked(
            store,
            simple(
                f"p{number}",
                platform.conda,
                share__shared=Content(str(number).encode()),
                **{f"etc__{number}": Content(f"{PLACEHOLDER}/x\n".encode(), placeholder="text")},
            ),
        )
        for number in range(8)
    ]
    first = installed(store, files, tmp_path / "a", platform)
    second = installed(store, files[::-1], tmp_path / "some" / "other" / "place", platform)
    assert first == second
    assert first["opt/env/etc/3"] == b"/opt/env/x\n"
    assert len([path for path in first if path.endswith("share/shared")]) == 1
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_links_and_modes_are_kept(store: Store, tmp_path: Path) -> None:
    package = simple("p", bin__tool=Content(b"#!/bin/sh\n", 0o775), bin__other=Content(b"", link="tool"))
    assert installed(store, [locked(store, package)], tmp_path)["opt/env/bin/other"] == b"tool"


@pytest.mark.parametrize(
    "files",
    [
        {"../evil": Content(b"x")},
        {"/opt/jupyter-mcp-evil": Content(b"x")},
        {"share/link": Content(b"", link="/opt"), "share/link/jupyter-mcp-evil": Content(b"x")},
    ],
    ids=["above", "absolute", "through a link"],
)
def test_a_package_that_reaches_outside_is_refused(store: Store, tmp_path: Path, files: dict[str, Content]) -> None:
    file = locked(store, Package("p", "1", files, "linux-64"))
    with pytest.raises(PackageContentError):
        install([file], AMD64, store, tmp_path / "scratch")
    assert not Path("/opt/jupyter-mcp-evil").exists()
    assert not [path for path in tmp_path.rglob("*evil") if "cache" not in path.parts]


def test_a_prefix_that_does_not_fit_a_binary_is_refused(store: Store, tmp_path: Path) -> None:
    short = Content(b"\x7fELF\0/p/lib\0", 0o755, "binary")
    package = Package("p", "1", {"lib/libp.so": short}, "linux-64", placeholder="/p")
    with pytest.raises(PackageContentError):
        install([locked(store, package)], AMD64, store, tmp_path / "scratch")


def test_a_corrupted_package_in_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    file = locked(store, simple("p", share__a=Content(b"a")))
    path = store.path(file.sha256)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(StoreCorruptError, match=file.sha256[:16]):
        install([file], ARM64, store, tmp_path / "scratch")


def test_what_is_not_a_package_is_refused(store: Store, tmp_path: Path) -> None:
    data = b"not a package"
    file = LockedFile("p", "1 0", "linux-64/p-1-0.conda", store.add(data), len(data), CHANNEL)
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(PackageContentError):
        install([file], AMD64, store, tmp_path / "scratch")
