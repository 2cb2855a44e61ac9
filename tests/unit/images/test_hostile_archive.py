"""Archives from anywhere: a layout comes out of them, or they end with one line and a code."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import shutil
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from env.platforms import AMD64
from images.errors import ImageError, LayoutError
from images.oci import archive as archives
from images.oci.archive import is_archive, unarchive
from images.oci.contents import read_contents
from images.oci.export import export
from images.oci.read import read_layout
from images.oci.unpack import unpack
from tests.support.layouts import CONFIG, INDEX, MANIFEST, archive, diff_id, document, index, layer, layout, member
from tests.support.odd import odd_ones

CONTENT = archive(("a", b"1"))
CONFIGURATION = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id(CONTENT)]}}
LISTING: list[dict[str, Any]] = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l/layer.tar"]}]
ANY = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(*more: Any, listing: Any = LISTING, content: bytes = CONTENT) -> bytes:
    """Make what docker saves."""
    files = [("c.json", json.dumps(CONFIGURATION).encode()), ("l/layer.tar", content)]
    return archive(*more, *files, ("manifest.json", json.dumps(listing).encode()))


def one_line(error: ImageError) -> str:
    assert len(str(error).splitlines()) == 1
    return str(error)


def told(place: Path, content: bytes) -> str | None:
    """Unarchive; return the line that it ended with, or None when there is an image that can be unpacked."""
    folder = place / uuid.uuid4().hex
    folder.mkdir()
    (folder / "archive").write_bytes(content)
    try:
        unarchive(folder / "archive", folder / "layout")
        for image in read_layout(folder / "layout").values():
            (folder / "root").mkdir()
            unpack(image, folder / "root")
            assert (folder / "root" / "a").read_bytes() == b"1"
            return None
    except ImageError as error:
        return one_line(error)
    finally:
        shutil.rmtree(folder)
    return "no image"


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress]
)
def test_an_archive_is_read_however_it_is_compressed(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    content = compress(saved())
    (tmp_path / "archive").write_bytes(content)
    assert is_archive(tmp_path / "archive")
    assert told(tmp_path, content) is None
    assert told(tmp_path, content[: len(content) // 2]) is not None


def test_a_layer_may_be_compressed_or_a_link_to_another(tmp_path: Path) -> None:
    assert told(tmp_path, saved(content=gzip.compress(CONTENT))) is None
    linked = [{**LISTING[0], "Layers": ["m/layer.tar"]}]
    assert told(tmp_path, saved(("m/layer.tar", "-> ../l/layer.tar"), listing=linked)) is None
    assert told(tmp_path, saved(("m/layer.tar", "=> l/layer.tar"), listing=linked)) is None


@pytest.mark.parametrize(
    "links",
    [
        [("m", "-> m")],
        [("m", "-> n"), ("n", "-> m")],
        [("m", "=> m")],
        [(f"m{n or ''}", f"-> m{n + 1}") for n in range(2000)],
        [("m", "-> ../../../etc/passwd")],
        [("m", "-> /etc/passwd")],
        [("m", None)],
    ],
)
def test_links_that_lead_nowhere_end_with_a_line(tmp_path: Path, links: list[Any]) -> None:
    assert "lacks the file" in str(told(tmp_path, saved(*links, listing=[{**LISTING[0], "Layers": ["m"]}])))


@ANY
@given(listing=odd_ones(LISTING))
def test_an_odd_listing_ends_with_a_line(tmp_path: Path, listing: Any) -> None:
    told(tmp_path, saved(listing=listing))


@pytest.mark.parametrize("listing", [None, 1, {}, [], "x", [[]], [{"Config": "c.json", "Layers": 1}]])
def test_a_listing_that_is_none_ends_with_a_line(tmp_path: Path, listing: Any) -> None:
    assert told(tmp_path, saved(listing=listing)) is not None


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\x1f\x8b\x08", bytes(20_000), b"BZh9x", b"\xfd7zXZ\0x" * 99])
def test_what_is_no_archive_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    assert not is_archive(tmp_path / "archive")
    assert told(tmp_path, content) is not None


def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    head = member("x", tarfile.XHDTYPE, size=1 << 40).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "archive").write_bytes(gzip.compress(head + bytes(1 << 16)))
    assert is_archive(tmp_path / "archive")
    assert "far too large" in str(told(tmp_path, (tmp_path / "archive").read_bytes()))


def in_pieces(self: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Read as Python 3.14 does, whose tarfile takes a long header 1 MiB at a time."""
    real, whole = self.fileobj.read, self.fileobj  # type: ignore[union-attr]

    class Pieces:
        def __getattr__(self, name: str) -> Any:
            return getattr(whole, name)

        def read(self, size: int) -> bytes:
            found = []
            while size > 0 and (piece := real(min(size, 1 << 20))):
                found.append(piece)
                size -= len(piece)
            return b"".join(found)

    self.fileobj = Pieces()  # type: ignore[assignment]
    try:
        return NEXT(self)
    finally:
        self.fileobj = whole


NEXT = tarfile.TarFile.next


@pytest.mark.parametrize("first", [True, False])
def test_a_header_that_is_read_in_pieces_fills_no_memory_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    monkeypatch.setattr(tarfile.TarFile, "next", in_pieces)
    long = member("x", tarfile.XHDTYPE, size=1 << 40).tobuf(tarfile.GNU_FORMAT) + bytes(1 << 23)
    before = b"" if first else member("before").tobuf(tarfile.GNU_FORMAT)
    assert "far too large" in str(told(tmp_path, gzip.compress(before + long, 0)))


def test_an_archive_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.limits.ALWAYS_FINE", 1 << 20)
    bomb = archive(member("x", size=1 << 25))
    assert "far more than its size promises" in str(told(tmp_path, gzip.compress(bomb)))
    monkeypatch.setattr(archives, "_ENTRIES", 50)
    assert "more than 50 files" in str(told(tmp_path, saved(*((f"f{n}", b"") for n in range(60)))))


def manifest(folder: Path) -> dict[str, Any]:
    return {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": document(folder, CONFIGURATION, CONFIG),
        "layers": [layer(folder, CONTENT, "")], "annotations": {"a": "b"},
    }  # fmt: skip


def carried(folder: Path) -> str | None:
    """Read what is carried and write it both ways; return the line that it ended with, or None."""
    try:
        contents = read_contents(folder)
        for form in ("oci-archive", "docker-archive"):
            export(contents, form, io.BytesIO(), lambda _count: None)  # type: ignore[arg-type]
        assert contents.size >= 0
    except ImageError as error:
        return one_line(error)
    return None


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A good layout of one manifest."""
    return index(tmp_path / "good", document(tmp_path / "good", manifest(tmp_path / "good"), MANIFEST))


def test_a_good_layout_is_carried(example: Path, tmp_path: Path) -> None:
    assert carried(example) is None
    assert carried(layout(tmp_path / "other", CONTENT)) is None


@ANY
@given(odd=odd_ones({"layers": [{"mediaType": "", "digest": "", "size": 1}], "config": {}, "subject": {"digest": "x"}}))
def test_an_odd_manifest_is_not_carried(example: Path, odd: dict[str, Any]) -> None:
    index(example, document(example, {**manifest(example), **odd}, MANIFEST))
    carried(example)


@ANY
@given(odd=odd_ones({"entries": [{"mediaType": MANIFEST, "digest": "sha256:x", "annotations": {"a": "b"}}]}))
def test_an_odd_index_is_not_carried(example: Path, odd: dict[str, Any]) -> None:
    for entries in (odd.get("entries"), [document(example, {"manifests": odd.get("entries")}, INDEX)]):
        (example / "index.json").write_text(json.dumps({"manifests": entries}))
        carried(example)


def test_what_docker_pushed_is_carried_whole(tmp_path: Path) -> None:
    docker = "application/vnd.docker.distribution.manifest"
    one = {**manifest(tmp_path), "mediaType": f"{docker}.v2+json"}
    entry = document(tmp_path, one, f"{docker}.v2+json", platform={"os": "linux", "architecture": "amd64"})
    many = {"schemaVersion": 2, "mediaType": f"{docker}.list.v2+json", "manifests": [entry]}
    index(tmp_path, document(tmp_path, many, f"{docker}.list.v2+json"))
    contents = read_contents(tmp_path, [AMD64])
    assert [found.digest for found in contents.manifests] == [entry["digest"].removeprefix("sha256:")]
    assert {part.digest for part in contents.parts} == {
        f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        one["config"]["digest"],
    }


def test_a_layer_that_unpacks_without_an_end_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.limits.ALWAYS_FINE", 1 << 20)
    bomb = layout(tmp_path / "bomb", archive(member("x", size=1 << 25)), compression="gzip")
    with pytest.raises(LayoutError, match="far more than its size promises"):
        export(read_contents(bomb), "docker-archive", io.BytesIO(), lambda _count: None)
