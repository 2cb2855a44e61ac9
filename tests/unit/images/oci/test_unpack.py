"""A layout from anywhere is unpacked only if it is whole, and never outside its root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zstandard

from env.platforms import AMD64, ARM64
from images.errors import LayoutError
from images.oci.read import PlatformImage, blob_path, read_layout
from images.oci.unpack import unpack
from tests.support.layouts import archive, layout


def image(folder: Path) -> PlatformImage:
    return read_layout(folder)[AMD64]


def unpacked(folder: Path, *layers: bytes, compression: str = "zstd") -> dict[str, str]:
    root = folder / "root"
    root.mkdir(parents=True)
    unpack(image(layout(folder / "layout", *layers, compression=compression)), root)
    return {
        path.relative_to(root).as_posix(): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_upper_layers_change_and_remove_what_lower_ones_hold(tmp_path: Path, compression: str) -> None:
    lower = archive(
        ("a", None), ("a/x", b"1"), ("a/y", b"2"), ("b", None), ("b/z", b"3"), ("l", "-> a"), ("h", "=> a/x")
    )
    upper = archive(("a/.wh.y", b""), ("b/.wh..wh..opq", b""), ("b/new", b"4"), ("a/x", b"5"), ("l", b"6"))
    assert unpacked(tmp_path, lower, upper, compression=compression) == {"a/x": "5", "b/new": "4", "h": "1", "l": "6"}


@pytest.mark.parametrize(
    "entries",
    [
        [("../x", b"1")],
        [("a/../../x", b"1")],
        [("h", "=> ../../etc/passwd")],
        [("l", "-> /"), ("h", "=> l/etc/passwd")],
        [("l", "-> ../.."), ("h", "=> l/canary")],
        [("x/.wh...", b"")],
        [(".wh...", b"")],
        [(".wh..", b"")],
    ],
)
def test_no_path_is_followed_out_of_the_root(tmp_path: Path, entries: list[tuple[str, Any]]) -> None:
    with pytest.raises(LayoutError, match=r"outside the root|hard link to nothing"):
        unpacked(tmp_path, archive(*entries))
    assert {path.name for path in tmp_path.iterdir()} == {"layout", "root"}


@pytest.mark.parametrize("target", ["/var", "..", "../../var", "/../var/."])
def test_a_link_leads_to_where_it_leads_in_the_image(tmp_path: Path, target: str) -> None:
    """docker and containerd do the same: many images link /var/run to /run, and later layers write below it."""
    found = unpacked(tmp_path, archive(("l", f"-> {target}"), ("l/x", b"1")))
    assert {content for path, content in found.items() if path != "l"} == {"1"}
    assert not Path("/var/x").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"layout", "root"}


def test_an_absolute_name_stays_within_the_root(tmp_path: Path) -> None:
    assert unpacked(tmp_path, archive(("/etc/x", b"1"))) == {"etc/x": "1"}


def test_a_damaged_layer_is_told(tmp_path: Path) -> None:
    folder = layout(tmp_path / "layout", archive(("a", b"1" * 1000)))
    layer = blob_path(folder, image(folder).layers[0]["digest"])
    whole = layer.read_bytes()
    other = zstandard.ZstdCompressor().compress(archive(("a", b"2")))
    for number, content in enumerate([whole[:-20], b"junk", other]):
        layer.write_bytes(content)
        root = tmp_path / str(number)
        root.mkdir()
        with pytest.raises(LayoutError, match="is damaged"):
            unpack(image(folder), root)
    layer.unlink()
    with pytest.raises(LayoutError, match="lacks the layer"):
        unpack(image(folder), tmp_path)


def test_a_damaged_document_is_told(tmp_path: Path) -> None:
    folder = layout(tmp_path)
    manifest = blob_path(folder, image(folder).digest)
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(LayoutError, match="has other content"):
        read_layout(folder)
    (folder / "oci-layout").unlink()
    with pytest.raises(LayoutError, match="not an OCI image layout"):
        read_layout(folder)


def test_an_image_is_found_by_its_platform(tmp_path: Path) -> None:
    assert list(read_layout(layout(tmp_path / "arm", architecture="arm64"))) == [ARM64]
    assert read_layout(layout(tmp_path / "other", architecture="riscv64")) == {}
