"""Read an OCI image layout, and unpack one platform's layers into a root filesystem.

Nothing is believed before its digest is checked, and no path is followed out of the root: the layout may come from
anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import zstandard

from env.errors import UnknownPlatformError
from env.platforms import Platform, parse_platform
from images.errors import LayoutError
from images.layout import INDEX_TYPE
from images.tarball import MEDIA_TYPES

CHUNK = 1 << 20
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image of a layout."""

    layout: Path
    platform: Platform
    digest: str
    """Of its manifest, ``sha256:…``."""
    config: dict[str, Any]
    """The image configuration (OCI image-spec, config.md)."""
    layers: tuple[dict[str, Any], ...]
    """Descriptors of the layers, the lowest first."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, ``sha256:…``, the lowest first."""
        return tuple(self.config["rootfs"]["diff_ids"])


def read_layout(folder: Path) -> dict[Platform, PlatformImage]:
    """Give the images of a layout by platform; platforms that we have no name for are left out.

    Raises:
        LayoutError: it is not a layout, or a document in it is missing or has another digest.

    """
    if not (folder / "oci-layout").is_file():
        raise LayoutError(folder, "is not an OCI image layout")
    images = {}
    for descriptor in _manifests(folder, _json(folder, (folder / "index.json").read_bytes())):
        manifest = read_document(folder, descriptor)
        config = read_document(folder, manifest["config"])
        try:
            platform = parse_platform(f"{config['os']}/{config['architecture']}")
        except UnknownPlatformError:
            continue
        image = PlatformImage(folder, platform, descriptor["digest"], config, tuple(manifest["layers"]))
        if len(image.layers) != len(image.diff_ids):
            raise LayoutError(
                folder, f"has {len(image.layers)} layers and {len(image.diff_ids)} diff_ids for {platform}"
            )
        images[platform] = image
    return images


def _manifests(folder: Path, index: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # An index may hold others: layouts name the image in index.json, and that one names the platforms.
    for descriptor in index.get("manifests", []):
        if descriptor["mediaType"] == INDEX_TYPE:
            yield from _manifests(folder, read_document(folder, descriptor))
        elif "artifactType" not in descriptor:
            yield descriptor


def blob_path(folder: Path, digest: str) -> Path:
    """Give where a layout keeps the blob of a digest, ``sha256:…``."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):  # noqa: PLR2004 - hex digits
        raise LayoutError(folder, f"names a digest that is no sha256: {digest!r}")
    return folder / "blobs" / algorithm / value


def read_document(folder: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    """Read the JSON blob that a descriptor means.

    Raises:
        LayoutError: it is missing, has another digest, or is not a JSON object.

    """
    digest = descriptor["digest"]
    try:
        content = blob_path(folder, digest).read_bytes()
    except FileNotFoundError:
        raise LayoutError(folder, f"lacks the blob {digest}") from None
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise LayoutError(folder, f"is damaged: the blob {digest} has other content")
    return _json(folder, content)


def _json(folder: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        raise LayoutError(folder, "holds a document that is not JSON") from None
    if not isinstance(document, dict):
        raise LayoutError(folder, "holds a document that is not an object")
    return document


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
    if media_type == MEDIA_TYPES["gzip"]:
        return _Inflated(file)
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
