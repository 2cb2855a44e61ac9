"""Unpack one platform's layers of an OCI image layout into a root filesystem.

Nothing is believed before its digest is checked, sizes and counts have an end, and no path is followed out of the
root: the layout may come from anywhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import zstandard

from images.errors import LayoutError
from images.limits import HEADER, UNPACK_S, Budget, plain
from images.oci.extract import CHUNK, Extractor
from images.oci.read import PlatformImage, open_blob
from images.oci.tarball import MEDIA_TYPES

PLAIN_TYPE = "application/vnd.oci.image.layer.v1.tar"
_OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_DOCKER = "application/vnd.docker.image.rootfs.diff.tar"
_DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"
LAYER_TYPES = frozenset(
    {
        *MEDIA_TYPES.values(),
        PLAIN_TYPE,
        *(f"{_OCI_FOREIGN}{suffix}" for suffix in ("", "+gzip", "+zstd")),
        *(f"{kind}{suffix}" for kind in (_DOCKER, _DOCKER_FOREIGN) for suffix in ("", ".gzip", ".zstd")),
    }
)
"""What other tools write too: `docker save`, pushes of before OCI's types, layers that registries did not hand out."""
DAMAGED = (
    tarfile.TarError,
    zstandard.ZstdError,
    zlib.error,
    EOFError,
    # What tarfile makes of numbers, names and chains of headers that make no sense.
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
    MemoryError,
)
"""What reading an archive raises that makes no sense."""


def unpack(image: PlatformImage, root: Path) -> None:
    """Unpack the layers into the empty folder `root`, owned by whoever runs this.

    Owners are not set, since that needs root, nor setuid, setgid and sticky bits; write and search bits are added for
    the owner, so that it can be removed.

    Raises:
        LayoutError: a layer is missing, is not what its diff_id says, holds a path that has no place inside the root,
            or is far larger than it promises.
        NoSpaceError: the disk is full.

    """
    extractor = Extractor(root, image.layout)
    budget = _budget(image)
    try:
        for number in range(len(image.layers)):
            extractor.begin_layer()
            for tar, member in layer_members(image, number, budget):
                extractor.add(tar, member)
    finally:
        extractor.close()


def _budget(image: PlatformImage) -> Budget:
    return Budget(image.layout, sum(_size(image.layout, layer["digest"]) for layer in image.layers))


def _size(layout: Path, digest: str) -> int:
    # As it is, not as a manifest says.
    with open_blob(layout, digest, "layer") as file:
        return os.fstat(file.fileno()).st_size


def members(image: PlatformImage) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield every member of every layer, the lowest first, each with the archive to read its content from at once.

    Raises:
        LayoutError: a layer is missing, or is not what its diff_id says; that is known at its end.

    """
    budget = _budget(image)
    for number in range(len(image.layers)):
        yield from layer_members(image, number, budget)


def layer_members(
    image: PlatformImage, number: int, budget: Budget | None = None
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of one layer, as `members` does."""
    layout, descriptor = image.layout, image.layers[number]
    shown = descriptor["digest"]
    budget = budget or _budget(image)
    ends = time.monotonic() + UNPACK_S
    with open_blob(layout, shown, "layer") as file:
        reader = Hashed(decompressed(file, descriptor["mediaType"], layout))
        archive = Forward(reader, budget, layout)
        try:
            tar = (
                None
                if archive.is_empty
                else tarfile.open(  # noqa: SIM115 - it holds nothing open
                    fileobj=archive, mode="r:", encoding="utf-8", errors="surrogateescape"
                )
            )
            while tar is not None and (member := archive.next_of(tar)) is not None:
                # Kept, they would be as much memory as the layer has entries.
                tar.members.clear()  # type: ignore[attr-defined]
                budget.entry()
                budget.require(member.size)
                # Zero or more bytes of padding follow the content.
                archive.promised = tar.offset - tarfile.BLOCKSIZE + 1
                if time.monotonic() > ends:
                    raise LayoutError(layout, f"takes longer than {UNPACK_S} s to unpack: it is not used")
                yield tar, member
            while archive.read(CHUNK):
                pass  # what pads the archive belongs to the diff_id
        except DAMAGED as error:
            raise LayoutError(layout, f"is damaged: layer {shown}: {plain(error, 120)}") from None
    if f"sha256:{reader.digest}" != image.diff_ids[number]:
        raise LayoutError(layout, f"is damaged: layer {shown} is not {image.diff_ids[number]}")


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


class Inflated:
    """A reader of gzip's content, in pieces, also of several members one after the other (RFC 1952)."""

    def __init__(self, source: IO[bytes]) -> None:
        """Begin with gzip's bytes."""
        self._source = source
        self._inflate = zlib.decompressobj(31)

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
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


class Forward(io.RawIOBase):
    """An archive as tarfile reads it: forward alone, within the budget, and no header larger than any that makes sense.

    tarfile takes long names and pax headers whole into memory, whatever size they say they have.
    """

    def __init__(self, source: Reader, budget: Budget, layout: Path) -> None:
        self._source = source
        self._budget = budget
        self._layout = layout
        self._position = 0
        self.promised = 0
        """How far the archive reaches at least."""
        # How many bytes the headers of one member may still have; None while its content is read. tarfile reads the
        # first member's when it opens the archive.
        self._headers: int | None = HEADER
        self._ahead = b""
        self._ahead = self._read(1)
        self._position = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all, which some tools write for a layer that changes nothing."""
        return not self._position and not self._ahead

    def readable(self) -> bool:
        """Whether it can be read, as tarfile asks."""
        return True

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def seekable(self) -> bool:
        """Whether it goes backward: never."""
        return False

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on until a place."""
        if whence != io.SEEK_SET or offset < self._position:
            raise LayoutError(self._layout, "is damaged: a layer's archive leads backward")
        self._budget.require(offset - self._position)
        while self._position < offset and self._read(min(CHUNK, offset - self._position)):
            pass
        return self._position

    def next_of(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Return the archive's next member, None at its end. From Python 3.14 on tarfile reads headers in pieces."""
        self._headers = HEADER
        try:
            return tar.next()
        finally:
            self._headers = None

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer at the end alone."""
        if not 0 <= size <= (HEADER if self._headers is None else self._headers):
            raise LayoutError(self._layout, "is damaged: a layer's archive has a header that is far too large")
        if self._headers is not None:
            self._headers -= size
        return self._read(size)

    def _read(self, size: int) -> bytes:
        pieces = [self._ahead[:size]]
        self._ahead = self._ahead[size:]
        lacking = size - len(pieces[0])
        try:
            while lacking and (piece := self._source.read(lacking)):
                pieces.append(piece)
                lacking -= len(piece)
        except (zstandard.ZstdError, zlib.error, EOFError) as error:
            raise LayoutError(self._layout, f"is damaged: a layer: {plain(error, 120)}") from None
        self._position += size - lacking
        self._budget.take(size - lacking)
        if lacking and self._position < self.promised:
            raise LayoutError(self._layout, "is damaged: a layer ends early")
        return b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer."""
        data = self.read(min(len(buffer), HEADER))
        buffer[: len(data)] = data
        return len(data)


def decompressed(file: IO[bytes], media_type: str, layout: Path) -> Reader:
    """Return a layer's archive as it was before compression, which its first bytes tell, as docker has it.

    Raises:
        LayoutError: it is compressed in a way that this program does not know.

    """
    if media_type not in LAYER_TYPES:
        raise LayoutError(layout, f"holds a layer of a type this program does not know: {plain(media_type, 120)}")
    start = file.read(4)
    file.seek(0)
    if start == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    if start[:3] == b"\x1f\x8b\x08":
        return Inflated(file)
    if media_type.endswith(("zstd", "gzip")) and not _begins_archive(file):
        raise LayoutError(layout, "is damaged: a layer is not compressed as its type says")
    return file


def _begins_archive(file: IO[bytes]) -> bool:
    block = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    return block == bytes(tarfile.BLOCKSIZE)[: len(block)] or block[257:262] == b"ustar"
