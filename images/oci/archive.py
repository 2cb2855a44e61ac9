"""A layout out of an archive: an oci-archive (skopeo, podman, `images export`), or what `docker save` writes.

Formats: a tar of an OCI image layout (OCI image-spec v1.1, image-layout.md), and Docker's image specification v1.2,
"combined image JSON and filesystem changeset format". Only files of such names are taken out, and what they hold is
checked by whoever reads the layout.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import posixpath
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from env.files import space_or
from images.errors import LayoutError, NoSpaceError
from images.limits import DOCUMENT, HEADER, LAYERS, MANIFESTS, MIB, Budget, plain
from images.oci.extract import CHUNK
from images.oci.layout import CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE, canonical
from images.oci.read import listed
from images.oci.unpack import DAMAGED, PLAIN_TYPE, Forward, Inflated, Reader

_BLOB = re.compile(r"blobs/sha256/[0-9a-f]{64}")
_DOCUMENTS = ("index.json", "oci-layout")
_LISTING = "manifest.json"
_ENTRIES = 100_000
"""Entries of an archive."""
_LINKS = 40
"""Links that lead to a file, one after the other, as the kernel has it."""
_LZMA = 512 * MIB
"""Bytes that xz may want for its dictionary: its strongest preset asks for 65 MiB."""


def unarchive(archive: Path, folder: Path) -> None:
    """Make a layout at `folder`, which is not there yet, of the images in an archive; it may be compressed.

    Raises:
        LayoutError: it is no archive of an image, or holds far more than its size promises.
        NoSpaceError: the disk is full.

    """
    (folder / "blobs" / "sha256").mkdir(parents=True)
    try:
        with space_or(NoSpaceError(folder)):
            names, listing = _names(archive)
            if "index.json" in names:
                _of_oci(archive, folder)
            elif listing is not None:
                _of_docker(archive, names, listing, folder)
            else:
                raise LayoutError(archive, "holds neither an OCI image layout nor an image that docker saved")
    except (*DAMAGED, lzma.LZMAError, OSError) as error:
        raise LayoutError(archive, f"can't be read as an image's archive: {plain(error, 120)}") from None


def is_archive(path: Path) -> bool:
    """Return whether a file begins as an archive does, compressed or not."""
    try:
        with path.open("rb") as file:
            head = Forward(_unpacked(file), Budget(path, 0), path).read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (*DAMAGED, lzma.LZMAError, OSError, LayoutError):
        return False
    return True


def _names(archive: Path) -> tuple[dict[str, str | None], bytes | None]:
    """Return each file's name with None, each link's with the name it leads to, and docker's listing."""
    names: dict[str, str | None] = {}
    listing = None
    for tar, member in _members(archive):
        name = _normal(member.name)
        if member.isreg():
            names[name] = None
            if name == _LISTING:
                listing = _content(archive, tar, member)
        elif member.islnk():
            names[name] = _normal(member.linkname)
        elif member.issym():
            names[name] = _normal(posixpath.join(posixpath.dirname(name), member.linkname))
    return names, listing


def _normal(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")


def _members(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield each entry, with the archive to read its content from at once; within bounds, from its start to its end."""
    with archive.open("rb") as file:
        source = Forward(_unpacked(file), Budget(archive, archive.stat().st_size), archive)
        if source.is_empty:
            return
        tar = tarfile.open(fileobj=source, mode="r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - see file
        count = 0
        while (member := source.next_of(tar)) is not None:
            tar.members.clear()  # type: ignore[attr-defined]
            count += 1
            if count > _ENTRIES:
                raise LayoutError(archive, f"holds more than {_ENTRIES} files, and no image's archive does")
            yield tar, member


def _unpacked(file: IO[bytes]) -> Reader:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    if start.startswith(b"\x1f\x8b\x08"):
        return Inflated(file)
    if start.startswith(b"BZh"):
        return _Pieces(file, bz2.BZ2Decompressor())
    if start == b"\xfd7zXZ\0":
        return _Pieces(file, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA))
    return file


class _Pieces:
    """A reader of what bzip2 or xz compressed, in pieces."""

    def __init__(self, source: IO[bytes], decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._source = source
        self._decompressor = decompressor

    def read(self, size: int, /) -> bytes:
        while not self._decompressor.eof:
            data = self._source.read(CHUNK) if self._decompressor.needs_input else b""
            if not data and self._decompressor.needs_input:
                raise EOFError("it ends early")
            if out := self._decompressor.decompress(data, size):
                return out
        return b""


def _content(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > DOCUMENT:
        raise LayoutError(archive, f"has a {plain(member.name, 100)} of more than {DOCUMENT >> 20} MiB")
    out = io.BytesIO()
    _copy(tar, member, out)
    return out.getvalue()


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: IO[bytes]) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise LookupError(member.name)
    shutil.copyfileobj(source, target, min(CHUNK, HEADER))


def _of_oci(archive: Path, folder: Path) -> None:
    for tar, member in _members(archive):
        name = _normal(member.name)
        if member.isreg() and (name in _DOCUMENTS or _BLOB.fullmatch(name)):
            with (folder / name).open("wb") as file:
                _copy(tar, member, file)
    (folder / "oci-layout").touch()


def _of_docker(archive: Path, names: dict[str, str | None], listing: bytes, folder: Path) -> None:
    images = [_saved(archive, names, image) for image in listed(archive, listing, MANIFESTS)]
    configs = {config for config, _ in images}
    layers = {name for _, above in images for name in above}
    found: dict[str, dict[str, Any]] = {}
    for tar, member in _members(archive):
        name = _normal(member.name)
        if not member.isreg():
            continue
        if name in configs:
            found[name] = _added(folder, CONFIG_TYPE, _content(archive, tar, member))
        elif name in layers:
            found[name] = _layer(tar, member, folder)
    manifests = []
    for config, above in images:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": found[config],
            "layers": [found[name] for name in above],
        }
        manifests.append(_added(folder, MANIFEST_TYPE, canonical(manifest)))
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    (folder / "index.json").write_bytes(canonical(index))
    (folder / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))


def _saved(archive: Path, names: dict[str, str | None], image: object) -> tuple[str, list[str]]:
    """Return the file of an image's configuration and those of its layers."""
    match image:
        case {"Config": str(config), **more}:
            layers = more.get("Layers") or []
            if isinstance(layers, list) and len(layers) <= LAYERS and all(isinstance(one, str) for one in layers):
                return _led(archive, names, config), [_led(archive, names, one) for one in layers]
    raise LayoutError(archive, f"has a {_LISTING} that is not what docker saves")


def _led(archive: Path, names: dict[str, str | None], name: str) -> str:
    """Return the file that a name leads to: docker writes a layer that is there twice as a link to the first."""
    here: str | None = _normal(name)
    for _ in range(_LINKS):
        if here not in names:
            break
        if (following := names[here]) is None:
            return here
        here = following
    raise LayoutError(archive, f"lacks the file {plain(name, 100)}")


def _added(folder: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _layer(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> dict[str, Any]:
    blobs = folder / "blobs" / "sha256"
    with tempfile.NamedTemporaryFile(dir=blobs, delete=False) as file:
        _copy(tar, member, file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, 2)
    Path(file.name).replace(blobs / digest)
    return {"mediaType": PLAIN_TYPE, "digest": f"sha256:{digest}", "size": size}
