"""Entries to a layer blob: a normalised tar archive, hashed and compressed in one pass.

Determinism (the contract is the diff_id, the sha256 of the uncompressed archive): entries sorted by path, one mtime,
numeric owners without names, GNU format, hard links anchored to the first sorted name. The compressed digest also
depends on the compressor's version, which the tools' lock pins.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import zstandard

from images.errors import PackageContentError
from images.rootfs.entries import PRIVILEGED, Entry, Kind

Compression = Literal["zstd", "gzip"]
MEDIA_TYPES: dict[Compression, str] = {
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
}
ZSTD_LEVEL = 9
GZIP_LEVEL = 6


@dataclass(frozen=True)
class Blob:
    """A compressed layer, as image manifests describe it (OCI image-spec, descriptor.md and config.md)."""

    media_type: str
    digest: str
    """sha256 hex of the compressed bytes."""
    size: int
    """Compressed bytes."""
    diff_id: str
    """sha256 hex of the uncompressed archive."""
    unpacked: int
    """Uncompressed bytes."""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _compressor(compression: Compression) -> _Compressor:
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    # wbits 31: a gzip header of zlib's own, which holds no time and no name.
    return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)


class _Sink(io.RawIOBase):
    """What the tar writer writes into: counts and hashes both sides of the compressor."""

    def __init__(self, out: IO[bytes], compression: Compression) -> None:
        self._out = out
        self._compressor = _compressor(compression)
        self._diff = hashlib.sha256()
        self._digest = hashlib.sha256()
        self.unpacked = 0
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._diff.update(data)
        self.unpacked += len(data)
        self._emit(self._compressor.compress(data))
        return len(data)

    def _emit(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self._out.write(data)

    def finish(self, compression: Compression) -> Blob:
        self._emit(self._compressor.flush())
        return Blob(
            MEDIA_TYPES[compression], self._digest.hexdigest(), self.size, self._diff.hexdigest(), self.unpacked
        )


def pack(tree: Mapping[str, Entry], out: IO[bytes], *, mtime: int, compression: Compression = "zstd") -> Blob:
    """Write a tree as a compressed tar archive to `out`; give its digests and sizes.

    `mtime` is in seconds since 1970 and is that of every entry.

    Raises:
        PackageContentError: a file has a setuid or setgid bit, which would give whoever runs it another's rights.

    """
    for path, entry in tree.items():
        if entry.mode & PRIVILEGED:
            raise PackageContentError(entry.origin or "the recipe", f"gives /{path} a setuid or setgid bit")
    sink = _Sink(out, compression)
    anchors: dict[Path, str] = {}
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as tar:
        for path in sorted(tree):
            _write(tar, tree[path], mtime, anchors)
    return sink.finish(compression)


def _write(tar: tarfile.TarFile, entry: Entry, mtime: int, anchors: dict[Path, str]) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mtime, info.mode, info.uid, info.gid = mtime, entry.mode, entry.uid, entry.gid
    match entry.kind, entry.content:
        case Kind.DIRECTORY, _:
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        case Kind.SYMLINK, _:
            info.type, info.linkname = tarfile.SYMTYPE, entry.target
            tar.addfile(info)
        case Kind.FILE, bytes() as content:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        case Kind.FILE, Path() as staged if staged in anchors:
            info.type, info.linkname = tarfile.LNKTYPE, anchors[staged]
            tar.addfile(info)
        case Kind.FILE, Path() as staged:
            anchors[staged] = entry.path
            info.size = staged.stat().st_size
            with staged.open("rb") as file:
                tar.addfile(info, file)
