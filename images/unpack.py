"""Unpack one platform's layers of an OCI image layout into a root filesystem.

Nothing is believed before its digest is checked, and no path is followed out of the root: the layout may come from
anywhere.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

import zstandard

from images.errors import LayoutError
from images.reading import PlatformImage, blob_path
from images.tarball import MEDIA_TYPES

PLAIN_TYPE = "application/vnd.oci.image.layer.v1.tar"
DOCKER_PLAIN_TYPE = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_GZIP_TYPE = f"{DOCKER_PLAIN_TYPE}.gzip"
"""What other tools write: `docker save`, and pushes of before OCI's types."""
CHUNK = 1 << 20
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def unpack(image: PlatformImage, root: Path) -> None:
    """Unpack the layers into the empty folder `root`, owned by whoever runs this.

    Owners are not set, since that needs root; write and search bits are added for the owner, so that it can be removed.

    Raises:
        LayoutError: a layer is missing, is not what its diff_id says, or reaches outside the root.

    """
    for tar, member in members(image):
        _extract(tar, member, root, image.layout)


def members(image: PlatformImage) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Give every member of every layer, the lowest first, each with the archive to read its content from at once.

    Raises:
        LayoutError: a layer is missing, or is not what its diff_id says; that is known at its end.

    """
    for number in range(len(image.layers)):
        yield from layer_members(image, number)


def layer_members(image: PlatformImage, number: int) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Give the members of one layer, as `members` does."""
    layout, descriptor = image.layout, image.layers[number]
    path = blob_path(layout, descriptor["digest"])
    if not path.is_file():
        raise LayoutError(layout, f"lacks the layer {descriptor['digest']}")
    with path.open("rb") as file:
        reader = Hashed(decompressed(file, descriptor["mediaType"], layout))
        try:
            with tarfile.open(fileobj=reader, mode="r|") as tar:
                for member in tar:
                    yield tar, member
            while reader.read(CHUNK):
                pass  # what pads the archive belongs to the diff_id
        except (tarfile.TarError, zstandard.ZstdError, zlib.error, EOFError) as error:
            raise LayoutError(layout, f"is damaged: layer {descriptor['digest']}: {error}") from None
    if f"sha256:{reader.digest}" != image.diff_ids[number]:
        raise LayoutError(layout, f"is damaged: layer {descriptor['digest']} is not {image.diff_ids[number]}")


class Reader(Protocol):
    """What can be read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""


class Hashed(io.RawIOBase):
    """A reader that knows the sha256 of what was read."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """sha256 hex of what was read so far."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        data = self._source.read(size)
        self._hash.update(data)
        return data


class _Inflated:
    """A reader of gzip's content, in pieces, also of several members one after the other (RFC 1952)."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(31)

    def read(self, size: int) -> bytes:
        while True:
            data = self._inflate.unconsumed_tail or self._inflate.unused_data or self._source.read(CHUNK)
            if self._inflate.eof:
                if not data:
                    return b""
                self._inflate = zlib.decompressobj(31)
            elif not data:
                raise EOFError("the compressed layer ends early")
            if out := self._inflate.decompress(data, size):
                return out


def decompressed(file: IO[bytes], media_type: str, layout: Path) -> Reader:
    """Give a layer's archive as it was before compression.

    Raises:
        LayoutError: it is compressed in a way that this program does not know.

    """
    if media_type == MEDIA_TYPES["zstd"]:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    if media_type in (MEDIA_TYPES["gzip"], DOCKER_GZIP_TYPE):
        return _Inflated(file)
    if media_type in (PLAIN_TYPE, DOCKER_PLAIN_TYPE):
        return file
    raise LayoutError(layout, f"holds a layer of a type this program does not know: {media_type}")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, layout: Path) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts:
        return
    target = root.joinpath(*parts)
    # A link in an upper layer may point anywhere in the image, and outside it as seen from here.
    if ".." in parts or not target.parent.resolve().is_relative_to(root.resolve()):
        raise LayoutError(layout, f"holds a path outside the root: {member.name}")
    if parts[-1].startswith(WHITEOUT):
        _whiteout(target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir() and target.is_dir() and not target.is_symlink():
        target.chmod(member.mode | 0o700)
        return
    _remove(target)
    if member.isdir():
        target.mkdir()
        target.chmod(member.mode | 0o700)
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        first = root.joinpath(*(part for part in member.linkname.split("/") if part not in ("", ".", "..")))
        if first.is_symlink() or not first.is_file():
            raise LayoutError(layout, f"holds a hard link to nothing: {member.name}")
        target.hardlink_to(first)
    elif (source := tar.extractfile(member)) is not None:
        with target.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        target.chmod(member.mode | 0o600)


def _whiteout(marker: Path) -> None:
    # OCI image-spec, layer.md: the marker says that a lower layer's file, or a whole folder's content, is gone.
    if marker.name == OPAQUE:
        for child in marker.parent.iterdir() if marker.parent.is_dir() else ():
            _remove(child)
    else:
        _remove(marker.with_name(marker.name.removeprefix(WHITEOUT)))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
