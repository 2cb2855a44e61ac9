"""Unpack Debian packages without dpkg: an ar archive with a compressed tar inside (deb(5)).

Maintainer scripts never run: they belong to the target platform and to root. What they would have made is data in the
base part of the recipe.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import zstandard

from images.errors import PackageContentError
from images.rootfs.entries import Entry, Kind

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60


def members(deb: Path) -> dict[str, tuple[int, int]]:
    """Return the offset and size in bytes of each member of an ar archive."""
    found: dict[str, tuple[int, int]] = {}
    with deb.open("rb") as file:
        if file.read(len(AR_MAGIC)) != AR_MAGIC:
            raise PackageContentError(deb.name, "not a Debian package (no ar header)")
        while header := file.read(AR_HEADER):
            name = header[:16].decode("ascii", "replace").strip().rstrip("/")
            size = int(header[48:58])
            found[name] = (file.tell(), size)
            file.seek(size + size % 2, io.SEEK_CUR)
    return found


def open_member(deb: Path, stem: str) -> tarfile.TarFile:
    """Open ``control.tar.*`` or ``data.tar.*`` of a package for reading as a stream."""
    for name, (offset, size) in members(deb).items():
        if name.startswith(f"{stem}.tar"):
            with deb.open("rb") as file:
                file.seek(offset)
                raw = io.BytesIO(file.read(size))
            return tarfile.open(fileobj=decompressed(raw, name.removeprefix(f"{stem}.tar"), deb), mode="r|")
    raise PackageContentError(deb.name, f"has no {stem}.tar")


def decompressed(raw: IO[bytes], suffix: str, deb: Path) -> IO[bytes]:
    """Return a reader of the uncompressed bytes, by the compression that deb(5) names for the suffix."""
    match suffix:
        case ".xz":
            return lzma.open(raw)
        case ".zst":
            return zstandard.ZstdDecompressor().stream_reader(raw)
        case ".gz":
            return cast("IO[bytes]", gzip.open(raw))
        case "":
            return raw
        case _:
            raise PackageContentError(deb.name, f"is compressed in a way this program does not know ({suffix})")


def control(deb: Path) -> str:
    """Return the package's control file (deb-control(5))."""
    with open_member(deb, "control") as tar:
        for member in tar:
            if member.name.removeprefix("./") == "control" and (file := tar.extractfile(member)) is not None:
                return file.read().decode()
    raise PackageContentError(deb.name, "has no control file")


def configures(deb: Path) -> bool:
    """Say whether a package would run a script of its own once it is unpacked; none runs here."""
    with open_member(deb, "control") as tar:
        return any(member.name.removeprefix("./") == "postinst" for member in tar)


def unpack(deb: Path, package: str, stage: Path) -> Iterator[Entry]:
    """Return a package's entries; the files' bytes are put below `stage` under numbers, never under their own names.

    Raises:
        PackageContentError: a path reaches outside the root, or an entry is a device, a fifo or a dangling hard link.

    """
    stage.mkdir(parents=True)
    staged: dict[str, Entry] = {}
    with open_member(deb, "data") as tar:
        for number, member in enumerate(tar):
            path = _merged(member.name.removeprefix("./").strip("/"))
            if not path or path == ".":
                continue
            if ".." in path.split("/") or member.name.startswith("/"):
                raise PackageContentError(package, f"holds a path outside the root: {member.name}")
            entry = _entry(tar, member, path, package, stage / str(number), staged)
            if entry.kind is Kind.FILE:
                staged[path] = entry
            yield entry


def _merged(path: str) -> str:
    """Return where a path is once /bin, /lib and /sbin lead into /usr, as on every Debian since bookworm."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in ("bin", "lib", "lib32", "lib64", "libx32", "sbin") else path


def _entry(
    tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, package: str, spot: Path, staged: dict[str, Entry]
) -> Entry:
    mode = member.mode & 0o7777
    if member.isdir():
        return Entry(path, Kind.DIRECTORY, mode, uid=member.uid, gid=member.gid, origin=package)
    if member.issym():
        return Entry(path, Kind.SYMLINK, 0o777, target=member.linkname, origin=package)
    if member.islnk():
        first = staged.get(_merged(member.linkname.removeprefix("./")))
        if first is None:
            raise PackageContentError(package, f"holds a hard link to nothing: {path}")
        return Entry(path, Kind.FILE, first.mode, content=first.content, uid=first.uid, gid=first.gid, origin=package)
    source = tar.extractfile(member)
    if not member.isreg() or source is None:
        raise PackageContentError(package, f"holds a device or fifo: {path}")
    with spot.open("wb") as target:
        while chunk := source.read(1 << 20):
            target.write(chunk)
    return Entry(path, Kind.FILE, mode, content=spot, uid=member.uid, gid=member.gid, origin=package)
