"""No layer changes a file outside the root, whatever it holds: each ends well, or with one line and its exit code."""

from __future__ import annotations

import io
import stat
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.platforms import AMD64
from images import limits
from images.errors import ImageError
from images.oci.read import read_layout
from images.oci.unpack import unpack
from tests.support.layouts import archive, layout, member, snapshot


def pax(**headers: str) -> tarfile.TarInfo:
    info = member("x")
    info.pax_headers = headers
    return info


def tampered(change: Callable[[bytearray], None], *entries: Any) -> bytes:
    """Change an archive's bytes, and make its first header's checksum right again."""
    data = bytearray(archive(*entries))
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def large_header(kind: bytes) -> bytes:
    info = member("././@LongLink", kind, size=8 << 20)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(8 << 20)


def chain(kind: bytes, count: int) -> bytes:
    one = member("././@LongLink", kind, size=512).tobuf(tarfile.GNU_FORMAT) + b"x" * 511 + b"\0"
    return one * count + archive(("x", b""))


def sparse(size: int) -> bytes:
    """GNU's old format: a file that says it is far larger than its bytes."""
    info = member("x", tarfile.GNUTYPE_SPARSE, size=0).tobuf(tarfile.GNU_FORMAT)
    data = bytearray(info)
    data[483:495] = b"%011o " % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data) + bytes(1024)


DEEP = "/".join("d" * 300)
HOSTILE: dict[str, list[bytes]] = {
    "a name that goes up": [archive(("../canary/file", b"evil"))],
    "an absolute name": [archive(("/canary/file", b"evil"))],
    "a link out, and a file through it": [archive(("l", "-> ../canary"), ("l/file", b"evil"))],
    "an absolute link of a lower layer": [archive(("l", "-> CANARY")), archive(("l/file", b"evil"))],
    "a hard link whose source goes through a link": [archive(("l", "-> CANARY"), ("h", "=> l/file"), ("h", b"evil"))],
    "a hard link that goes up": [archive(("h", "=> ../canary/file"), ("h", b"evil"))],
    "a hard link to an absolute path": [archive(("h", "=> CANARY/file"), ("h", b"evil"))],
    "a hard link to a link, written through": [archive(("l", "-> CANARY/file"), ("h", "=> l"), ("h", b"evil"))],
    "a hard link to a folder": [archive(("d", None), ("h", "=> d"))],
    "a hard link in place of its source": [archive(("a/b", b"1"), ("a", "=> a/b"))],
    "a whiteout of the folder above": [archive((".wh...", b""))],
    "a whiteout of the root itself": [archive((".wh..", b""))],
    "a whiteout of nothing": [archive((".wh.", b""))],
    "a whiteout through a link": [archive(("l", "-> CANARY"), ("l/.wh.file", b""))],
    "an opaque whiteout through a link": [archive(("l", "-> CANARY"), ("l/.wh..wh..opq", b""))],
    "an opaque whiteout of the folder above": [archive(("l", "-> .."), ("l/.wh..wh..opq", b""))],
    "a file below a whiteout": [archive((".wh.a/b", b"1"))],
    "a link to itself": [archive(("l", "-> l"), ("l/x", b"1"))],
    "links that lead round": [archive(("a", "-> b"), ("b", "-> a"), ("a/x", b"1"))],
    "a link that goes up and down for ever": [archive(("a/b", None), ("l", "-> " + "a/b/../../" * 400), ("l/x", b"1"))],
    "a device": [archive(member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), member("sda", tarfile.BLKTYPE))],
    "a pipe, then a file in its place": [archive(member("p", tarfile.FIFOTYPE), ("p", b"1"))],
    "a very long name": [archive(("n" * 5000, b"1"))],
    "folders within folders without end": [archive((DEEP, b"1"))],
    "a name with a line break and a terminal's codes": [archive(("../a\n\x1b[31mb", b"1"))],
    "a name with NUL": [archive(pax(path="a\0b"))],
    "a link to a name with NUL": [archive(pax(linkpath="a\0b", path="l"))],
    "a name that is no UTF-8": [archive(("\udcff\udcfe", b"1"), form=tarfile.GNU_FORMAT)],
    "a pax header that names another place": [archive(pax(path="../canary/file"))],
    "a pax size that is no number": [archive(pax(size="many"))],
    "a pax size below nothing": [archive(pax(size="-5"))],
    "a pax sparse map that is none": [archive(pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}))],
    "a file larger than any disk": [sparse(1 << 60)],
    "a sparse file of a terabyte": [sparse(1 << 40)],
    "a long name of 8 MiB": [large_header(tarfile.GNUTYPE_LONGNAME)],
    "a pax header of 8 MiB": [large_header(tarfile.XHDTYPE)],
    "a chain of long names": [chain(tarfile.GNUTYPE_LONGNAME, 2000)],
    "a size that lies": [tampered(lambda data: data.__setitem__(slice(124, 136), b"77777777777 "), ("x", b"1"))],
    "no archive": [b"junk" * 1000],
    "half an archive": [archive(("x", b"1" * 5000))[:2000]],
    "a file in place of a folder": [archive(("a", b"1")), archive(("a/b", b"2"))],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a root, and a canary beside it that must not change."""
    canary(tmp_path)
    return tmp_path


def canary(place: Path) -> None:
    (place / "canary" / "folder").mkdir(parents=True)
    (place / "canary" / "file").write_text("alive")
    (place / "canary" / "folder" / "inner").write_text("alive too")
    (place / "root").mkdir()


def unpacked(place: Path, layers: list[bytes]) -> ImageError | None:
    """Unpack into the root beside the canary; return the error, which must be one that a person can read."""
    folder = layout(place / "layout", *layers)
    before = snapshot(place, without="root")
    error: ImageError | None = None
    try:
        unpack(read_layout(folder)[AMD64], place / "root")
    except ImageError as told:
        error = told
    assert error is None or (error.exit_code in (74, 65) and str(error).isprintable())
    assert snapshot(place, without="root") == before
    return error


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_changes_nothing_outside(place: Path, name: str) -> None:
    outside = str(place / "canary").encode()
    layers = [_aimed(data, outside) for data in HOSTILE[name]]
    error = unpacked(place, layers)
    if error is None:
        for path in (place / "root").rglob("*"):
            assert path.is_symlink() or path.is_dir() or path.is_file()


def _aimed(data: bytes, outside: bytes) -> bytes:
    """Let the links of an archive lead to the canary of this test."""
    if b"CANARY" not in data:
        return data
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as read, tarfile.open(fileobj=out, mode="w") as written:
        for info in read:
            info.linkname = info.linkname.replace("CANARY", outside.decode())
            written.addfile(info, read.extractfile(info) if info.isreg() else None)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    ["a name that goes up", "a whiteout of the folder above", "a pax header of 8 MiB", "a file larger than any disk"],
)
def test_a_layer_that_makes_no_sense_is_refused(place: Path, name: str) -> None:
    assert unpacked(place, HOSTILE[name]) is not None


def test_a_pipe_set_as_a_file_is_never_waited_for(place: Path) -> None:
    assert unpacked(place, [archive(member("p", tarfile.FIFOTYPE), ("q", b"1"))]) is None
    assert not (place / "root" / "p").exists()


def test_no_special_bit_is_set_on_this_host(place: Path) -> None:
    assert unpacked(place, [archive(member("su", mode=0o6755), member("d", tarfile.DIRTYPE, mode=0o7777))]) is None
    for name in ("su", "d"):
        assert not (place / "root" / name).stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)


def test_a_bomb_is_stopped_long_before_it_fills_the_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALWAYS_FINE", 1 << 16)
    for compression in ("zstd", "gzip"):
        bomb = archive(member("zeros", size=32 << 20))
        folder = layout(place / f"layout-{compression}", bomb, compression=compression)
        with pytest.raises(ImageError, match="far more than its size promises"):
            unpack(read_layout(folder)[AMD64], place / "root")
    padded = layout(place / "padded", archive(("x", b"1")) + bytes(32 << 20))
    with pytest.raises(ImageError, match="far more than its size promises"):
        unpack(read_layout(padded)[AMD64], place / "root")


def test_more_entries_than_any_image_has_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ENTRIES", 10)
    error = unpacked(place, [archive(*((f"f{number}", b"") for number in range(11)))])
    assert "more than 10 files" in str(error)


def test_an_opaque_whiteout_keeps_what_its_own_layer_brought_before_it(place: Path) -> None:
    lower = archive(("d/old", b"1"), ("d/e/old", b"1"), ("d/f/old", b"1"))
    upper = archive(("d/new", b"2"), ("d/e/new", b"2"), ("d/.wh..wh..opq", b""), ("d/last", b"2"))
    assert unpacked(place, [lower, upper]) is None
    root = place / "root"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {"d/new", "d/e/new", "d/last"}


def test_what_aufs_kept_for_itself_is_left_out(place: Path) -> None:
    entries = archive((".wh..wh.plnk", None), (".wh..wh.plnk/1", b"1"), (".wh..wh.aufs", b""), ("x", b"1"))
    assert unpacked(place, [entries]) is None
    assert [path.name for path in (place / "root").iterdir()] == ["x"]


NAMES = st.sampled_from(
    ["a", "b", "l", "a/b", "l/b", "a/../b", "../canary/file", "/a", "./a//b", "a/l/b", "canary", ".wh.a", ".wh...",
     ".wh..", "a/.wh.b", "l/.wh.file", ".wh..wh..opq", "l/.wh..wh..opq", "a/.wh..wh..opq", "", ".", "..", "l/l/file"]
)  # fmt: skip
TARGETS = st.sampled_from(
    ["a", "b", "l", ".", "..", "../..", "../canary", "/", "/a", "CANARY", "CANARY/file", "CANARY/folder", "a/../..",
     "l/file", "../canary/file", "canary/file"]
)  # fmt: skip
ENTRIES = st.one_of(
    st.tuples(NAMES, st.binary(max_size=20)),
    st.tuples(NAMES, st.none()),
    st.tuples(NAMES, TARGETS.map(lambda target: f"-> {target}")),
    st.tuples(NAMES, TARGETS.map(lambda target: f"=> {target}")),
    st.tuples(st.text(max_size=20), st.binary(max_size=5)),
    st.builds(
        member,
        NAMES,
        st.sampled_from([tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"Z"]),
        mode=st.integers(0, 0o7777),
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layers=st.lists(st.lists(ENTRIES, max_size=6), min_size=1, max_size=3))
def test_no_layers_whatever_change_what_is_outside(layers: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        canary(place)
        archives = []
        for entries in layers:
            try:
                archives.append(_aimed(archive(*entries), str(place / "canary").encode()))
            except ValueError:
                return  # a name that can't be written into an archive
        unpacked(place, archives)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_of_an_archive_changes_what_is_outside(data: st.DataObject) -> None:
    whole = bytearray(archive(("a", None), ("a/b", b"12345"), ("l", "-> ../canary"), ("h", "=> a/b"), pax(path="p")))
    for _ in range(data.draw(st.integers(1, 20))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        # Headers whose sum is right are read on.
        for start in range(0, len(whole) - 511, 512):
            whole[start + 148 : start + 156] = b" " * 8
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(whole[start : start + 512])
    with tempfile.TemporaryDirectory() as folder:
        canary(Path(folder))
        unpacked(Path(folder), [bytes(whole)])
