"""OCI image layouts as others make them, and as nobody should: small ones, written in a moment."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zstandard

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def blob(folder: Path, content: bytes, media_type: str = "", **extra: Any) -> dict[str, Any]:
    """Put a blob into a layout; return its descriptor."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / "blobs" / "sha256" / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": len(content), **extra}


def document(folder: Path, content: Mapping[str, Any], media_type: str, **extra: Any) -> dict[str, Any]:
    """Put a JSON blob into a layout; return its descriptor."""
    return blob(folder, json.dumps(content).encode(), media_type, **extra)


def layer(folder: Path, archive: bytes, compression: str = "zstd") -> dict[str, Any]:
    """Put a layer into a layout; return its descriptor."""
    suffix = f"+{compression}" if compression else ""
    return blob(folder, COMPRESSORS[compression](archive), f"{LAYER}{suffix}")


def diff_id(archive: bytes) -> str:
    """Return what a configuration calls a layer."""
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


def layout(
    folder: Path,
    *layers: bytes,
    compression: str = "zstd",
    architecture: str = "amd64",
    config: Mapping[str, Any] | None = None,
    whole: Mapping[str, Any] | None = None,
) -> Path:
    """Make a layout of one image; `config` is its configuration's ``config``, and `whole` replaces more of that."""
    configuration = {
        "os": "linux",
        "architecture": architecture,
        "config": {} if config is None else config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id(one) for one in layers]},
        **(whole or {}),
    }
    manifest = {
        "schemaVersion": 2,
        "config": document(folder, configuration, CONFIG),
        "layers": [layer(folder, one, compression) for one in layers],
    }
    inner = {"schemaVersion": 2, "manifests": [document(folder, manifest, MANIFEST)]}
    return index(folder, document(folder, inner, INDEX))


def index(folder: Path, *entries: Mapping[str, Any]) -> Path:
    """Name what a layout holds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    """Make the head of an archive's entry; `more` are its fields."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755
    for field, value in more.items():
        setattr(info, field, value)
    return info


def archive(*entries: tuple[str, Any] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a tar of ``(name, bytes)`` files, ``(name, None)`` folders, ``(name, "-> target")`` and ``"=> source"``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry, io.BytesIO(bytes(entry.size)) if entry.isreg() else None)
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            match content:
                case None:
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                case str() if content.startswith("=> "):
                    info.type, info.linkname = tarfile.LNKTYPE, content[3:]
                case str():
                    info.type, info.linkname = tarfile.SYMTYPE, content.removeprefix("-> ")
                case _:
                    info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def snapshot(folder: Path, *, without: str = "") -> dict[str, object]:
    """Return what is below a folder: kinds, modes, targets and contents by path, links never followed."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if without and (name == without or name.startswith(f"{without}/")):
            continue
        info = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[name] = (info.st_mode, info.st_nlink if path.is_file() else 0, content)
    return found
