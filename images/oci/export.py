"""An image in one file, for `podman load`, `docker load` and skopeo: the same bytes whenever it is made.

``oci-archive`` is a tar of the layout with every platform. ``docker-archive`` is what `docker load` has
read since 2016 (moby image-spec v1.2, combined image JSON and filesystem changesets): one platform, plain layers.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import zstandard

from images.errors import LayoutError, OnePlatformError
from images.limits import Budget
from images.oci.contents import Contents, Part
from images.oci.extract import CHUNK
from images.oci.layout import canonical
from images.oci.read import blob_path, read_layout
from images.oci.unpack import Hashed, Reader, decompressed

Format = Literal["oci-archive", "docker-archive"]
FORMATS: tuple[Format, ...] = ("oci-archive", "docker-archive")


def export(contents: Contents, form: Format, out: IO[bytes], advance: Callable[[int], None]) -> None:
    """Write an image to `out`, which need not seek; `advance` is told of the bytes as they are written.

    Raises:
        OnePlatformError: a docker-archive of several platforms.
        LayoutError: a blob is not what its name says; what was written by then has no end and no reader takes it.

    """
    if form == "oci-archive":
        _write(_oci_members(contents), out, advance, contents.layout)
    else:
        _write(_docker_members(contents), out, advance, contents.layout)


@dataclass(frozen=True)
class _Member:
    """One file of the archive."""

    name: str
    size: int
    sha256: str
    opened: Callable[[], AbstractContextManager[Reader]]


def _content(name: str, content: bytes) -> _Member:
    return _Member(name, len(content), hashlib.sha256(content).hexdigest(), lambda: nullcontext(io.BytesIO(content)))


def _oci_members(contents: Contents) -> list[_Member]:
    documents = [*contents.manifests, contents.root, *(referrer.document for referrer in contents.referrers)]
    blobs = {document.digest: _content(_blob_name(document.digest), document.content) for document in documents}
    blobs |= {member.sha256: member for member in map(_stored, contents.parts)}
    return [
        _content("oci-layout", canonical({"imageLayoutVersion": "1.0.0"})),
        _content("index.json", contents.index),
        *(blobs[digest] for digest in sorted(blobs)),
    ]


def _blob_name(sha256: str) -> str:
    return f"blobs/sha256/{sha256}"


def _stored(part: Part) -> _Member:
    sha256 = part.digest.removeprefix("sha256:")
    return _Member(_blob_name(sha256), part.size, sha256, lambda: part.path.open("rb"))


def _docker_members(contents: Contents) -> list[_Member]:
    if len(contents.platforms) != 1:
        raise OnePlatformError([str(platform) for platform in contents.platforms])
    image = read_layout(contents.layout)[contents.platforms[0]]
    manifest = json.loads(blob_path(contents.layout, image.digest).read_bytes())
    config = blob_path(contents.layout, manifest["config"]["digest"]).read_bytes()
    diff_ids = [diff_id.removeprefix("sha256:") for diff_id in image.config["rootfs"]["diff_ids"]]
    # A tar names a file's size before its bytes, and what a layer unpacks to is known only after it was unpacked once.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sizes = list(pool.map(lambda layer: _unpacked_size(contents.layout, layer), image.layers))
    layers = {}
    for diff_id, size, layer in zip(diff_ids, sizes, image.layers, strict=True):
        layers[diff_id] = _Member(f"{diff_id}.tar", size, diff_id, _unpacking(contents.layout, layer))
    named = _content(f"{hashlib.sha256(config).hexdigest()}.json", config)
    listing = [
        {
            "Config": named.name,
            "RepoTags": [f"{contents.name}:latest"],
            "Layers": [f"{diff_id}.tar" for diff_id in diff_ids],
        }
    ]
    # Canonical JSON is defined for objects; this one is a list.
    text = json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()
    return [_content("manifest.json", text), named, *layers.values()]


def _unpacking(layout: Path, layer: dict[str, Any]) -> Callable[[], AbstractContextManager[Reader]]:
    @contextmanager
    def opened() -> Iterator[Reader]:
        with blob_path(layout, layer["digest"]).open("rb") as file:
            try:
                yield decompressed(file, layer["mediaType"], layout)
            except (zstandard.ZstdError, zlib.error, EOFError) as error:
                raise LayoutError(layout, f"is damaged: layer {layer['digest']}: {error}") from None

    return opened


def _unpacked_size(layout: Path, layer: dict[str, Any]) -> int:
    budget = Budget(layout, blob_path(layout, layer["digest"]).stat().st_size)
    size = 0
    with _unpacking(layout, layer)() as reader:
        while piece := reader.read(CHUNK):
            budget.take(len(piece))
            size += len(piece)
    return size


def _write(members: Sequence[_Member], out: IO[bytes], advance: Callable[[int], None], layout: Path) -> None:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, bufsize=CHUNK) as tar:
        for folder in sorted({str(parent) for member in members for parent in Path(member.name).parents} - {"."}):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size, info.mode = member.size, 0o644
            with member.opened() as reader:
                source = Hashed(reader)
                tar.addfile(info, _Whole(source, advance))
            if source.digest != member.sha256:
                raise LayoutError(layout, f"is damaged: {member.name} has other content")


class _Whole(io.RawIOBase):
    """A reader that gives as much as it is asked for, as tarfile expects, and tells of it."""

    def __init__(self, source: Reader, advance: Callable[[int], None]) -> None:
        self._source = source
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        pieces, lacking = [], size
        while lacking and (piece := self._source.read(lacking)):
            pieces.append(piece)
            lacking -= len(piece)
        self._advance(size - lacking)
        return b"".join(pieces)
