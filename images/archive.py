"""A layout out of an archive: an oci-archive (skopeo, podman, `images export`), or what `docker save` writes.

Formats: a tar of an OCI image layout (OCI image-spec v1.1, image-layout.md), and Docker's image specification v1.2,
"combined image JSON and filesystem changeset format". Only files of such names are taken out, and what they hold is
checked by whoever reads the layout.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from images.errors import LayoutError
from images.extract import CHUNK
from images.layout import CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE, canonical
from images.unpack import PLAIN_TYPE

_BLOB = re.compile(r"blobs/sha256/[0-9a-f]{64}")
_LISTING = "manifest.json"


def unarchive(archive: Path, folder: Path) -> None:
    """Make a layout at `folder`, which is not there yet, of the images in an archive; it may be compressed.

    Raises:
        LayoutError: it is no archive of an image.

    """
    (folder / "blobs" / "sha256").mkdir(parents=True)
    try:
        with tarfile.open(archive) as tar:
            names = {member.name.removeprefix("./"): member for member in tar.getmembers() if member.isreg()}
            if "index.json" in names:
                for name, member in names.items():
                    if name in ("index.json", "oci-layout") or _BLOB.fullmatch(name):
                        _copy(tar, member, folder / name)
                (folder / "oci-layout").touch()
            elif _LISTING in names:
                _of_docker(tar, names, folder)
            else:
                raise LayoutError(archive, "holds neither an OCI image layout nor an image that docker saved")
    except (tarfile.TarError, OSError, ValueError, LookupError, TypeError) as error:
        raise LayoutError(archive, f"can't be read as an image's archive: {error}") from None


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    with _opened(tar, member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    source = tar.extractfile(member)
    if source is None:
        raise LookupError(member.name)
    return source


def _of_docker(tar: tarfile.TarFile, names: dict[str, tarfile.TarInfo], folder: Path) -> None:
    with _opened(tar, names[_LISTING]) as file:
        listing = json.load(file)
    manifests = []
    for image in listing:
        with _opened(tar, names[image["Config"]]) as file:
            config = _added(folder, CONFIG_TYPE, file.read())
        # docker writes a layer that is there twice as a link to the first.
        layers = [_layer(tar, tar.getmember(name), folder) for name in image["Layers"]]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}
        manifests.append(_added(folder, MANIFEST_TYPE, canonical(manifest)))
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    (folder / "index.json").write_bytes(canonical(index))
    (folder / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))


def _added(folder: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _layer(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> dict[str, Any]:
    blobs = folder / "blobs" / "sha256"
    with _opened(tar, member) as source, tempfile.NamedTemporaryFile(dir=blobs, delete=False) as file:
        shutil.copyfileobj(source, file, CHUNK)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, 2)
    Path(file.name).replace(blobs / digest)
    return {"mediaType": PLAIN_TYPE, "digest": f"sha256:{digest}", "size": size}
