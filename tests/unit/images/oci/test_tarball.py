"""Layers are a function of their entries alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from images.errors import PackageContentError, PathClashError
from images.oci.tarball import Blob, Compression, pack
from images.rootfs.entries import Entry, Kind, merge, with_parents
from images.rootfs.parts import unprivileged

NAMES = st.text("abcdefgh.-_", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    """Files and links, none of which is another's parent."""
    tree: dict[str, Entry] = {}
    for path in sorted(draw(st.sets(PATHS, max_size=8))):
        if not any(path.startswith(f"{other}/") for other in tree):
            mode = draw(st.sampled_from([0o644, 0o755, 0o1755]))
            file = Entry(path, Kind.FILE, mode, content=draw(st.binary(max_size=3000)))
            tree[path] = draw(st.sampled_from([file, Entry(path, Kind.SYMLINK, 0o777, target="../x")]))
    return with_parents(tree, {})


def packed(tree: dict[str, Entry], mtime: int = 0, compression: Compression = "zstd") -> tuple[bytes, Blob]:
    out = io.BytesIO()
    blob = pack(tree, out, mtime=mtime, compression=compression)
    return out.getvalue(), blob


@given(trees(), st.randoms())
def test_the_order_of_entries_does_not_matter(tree: dict[str, Entry], random: object) -> None:
    shuffled = list(tree.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert packed(dict(shuffled)) == packed(tree)


@given(trees(), st.sampled_from(["zstd", "gzip"]))
def test_what_is_packed_is_what_was_given(tree: dict[str, Entry], compression: Compression) -> None:
    data, blob = packed(tree, 1_700_000_000, compression)
    raw = (
        gzip.decompress(data)
        if compression == "gzip"
        else zstandard.ZstdDecompressor().decompressobj().decompress(data)
    )
    assert blob.digest == hashlib.sha256(data).hexdigest()
    assert (blob.size, blob.unpacked) == (len(data), len(raw))
    assert blob.diff_id == hashlib.sha256(raw).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == sorted(tree)
        assert {member.mtime for member in members} <= {1_700_000_000}
        assert {(member.uname, member.gname) for member in members} <= {("", "")}
        for member in members:
            entry = tree[member.name]
            assert member.mode == entry.mode
            if entry.kind is Kind.FILE:
                file = tar.extractfile(member)
                assert file is not None
                assert file.read() == entry.content


def test_one_staged_file_under_two_names_is_stored_once(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.write_bytes(b"x" * 5000)
    tree = {name: Entry(name, Kind.FILE, 0o644, content=staged) for name in ("b", "a")}
    data, _ = packed(tree)
    with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(data))) as tar:
        assert [(member.name, member.islnk(), member.linkname) for member in tar] == [
            ("a", False, ""),
            ("b", True, "a"),
        ]


def test_two_packages_may_share_a_directory_and_a_file_that_is_the_same_and_no_other() -> None:
    folders = [Entry("usr", Kind.DIRECTORY, 0o755, origin="a"), Entry("usr", Kind.DIRECTORY, 0o700, origin="b")]
    assert merge(folders)["usr"].mode == 0o755
    first, same, other, program = (
        Entry("usr/x", Kind.FILE, mode, content=content, origin=origin)
        for origin, mode, content in (("a", 0o644, b"1"), ("b", 0o644, b"1"), ("b", 0o644, b"2"), ("b", 0o755, b"1"))
    )
    assert merge([first, same])["usr/x"] is first
    for clash in (other, program):
        with pytest.raises(PathClashError, match="/usr/x comes from both a and b"):
            merge([first, clash])


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711])
def test_no_layer_takes_a_setuid_or_setgid_file(mode: int) -> None:
    tree = {"bin/su": Entry("bin/su", Kind.FILE, mode, content=b"x", origin="util-linux")}
    with pytest.raises(PackageContentError, match="util-linux: gives /bin/su a setuid or setgid bit"):
        packed(tree)
    assert {entry.mode for entry in unprivileged(tree).values()} == {mode & 0o777}
    packed(unprivileged(tree))
