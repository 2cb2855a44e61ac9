"""A conda channel made at test time: packages as conda-build makes them, an index, and a server on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard

CHANNEL = "https://conda.anaconda.org/conda-forge/"
PLACEHOLDER = "/opt/placehold_" + "placehold_" * 20
MTIME = 1_790_000_000


@dataclass(frozen=True)
class Content:
    """One file of a package."""

    data: bytes
    mode: int = 0o644
    placeholder: str | None = None
    """``text`` or ``binary`` where the file holds `PLACEHOLDER`."""
    link: str = ""
    """Target, for a symbolic link."""


@dataclass(frozen=True)
class Package:
    """What is to be built."""

    name: str
    version: str
    files: Mapping[str, Content]
    subdir: str = "noarch"
    build: str = "0"
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    """``python`` or ``generic``."""
    entry_points: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    placeholder: str = PLACEHOLDER

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.build}.conda"

    @property
    def index(self) -> dict[str, Any]:
        base: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "subdir": self.subdir,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "timestamp": MTIME * 1000,
            "license": "BSD-3-Clause",
        }
        return base | ({"noarch": self.noarch} if self.noarch else {}) | dict(self.extra)


def build(package: Package) -> bytes:
    """Return the bytes of a ``.conda`` file, the same ones each time (conda CEP on the format: a zip of two tars)."""
    paths = [_path_entry(path, content, package.placeholder) for path, content in sorted(package.files.items())]
    info: dict[str, Any] = {
        "info/index.json": package.index,
        "info/paths.json": {"paths": paths, "paths_version": 1},
        "info/about.json": {},
    }
    if package.noarch == "python":
        entry_points = list(package.entry_points)
        info["info/link.json"] = {
            "noarch": {"type": "python", "entry_points": entry_points},
            "package_metadata_version": 1,
        }
    metadata = {path: Content(json.dumps(data, sort_keys=True).encode()) for path, data in info.items()}
    stem = package.file_name.removesuffix(".conda")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{stem}.tar.zst", _tar(package.files)),
            (f"info-{stem}.tar.zst", _tar(metadata)),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def _path_entry(path: str, content: Content, placeholder: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "_path": path,
        "path_type": "softlink" if content.link else "hardlink",
        "sha256": hashlib.sha256(content.data).hexdigest(),
        "size_in_bytes": len(content.data),
    }
    if content.placeholder:
        entry |= {"file_mode": content.placeholder, "prefix_placeholder": placeholder}
    return entry


def _tar(files: Mapping[str, Content]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.mtime, member.mode = MTIME, content.mode
            if content.link:
                member.type, member.linkname = tarfile.SYMTYPE, content.link
                tar.addfile(member)
            else:
                member.size = len(content.data)
                tar.addfile(member, io.BytesIO(content.data))
    return zstandard.ZstdCompressor(level=3).compress(out.getvalue())


def write_channel(folder: Path, packages: Iterator[Package] | list[Package]) -> None:
    """Write packages and the index of each subdir (conda CEP 36) below a folder."""
    index: dict[str, dict[str, Any]] = {"linux-64": {}, "linux-aarch64": {}, "noarch": {}}
    for package in packages:
        data = build(package)
        path = folder / package.subdir / package.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        index[package.subdir][package.file_name] = package.index | {
            "sha256": hashlib.sha256(data).hexdigest(),
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "size": len(data),
        }
    for subdir, records in index.items():
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))


def write_wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    """Write a wheel with one module that says its name, and its page in a simple index (PEP 691), below a folder."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Requires-Dist: {line}" for line in requires]
    files = {
        f"{name}/__init__.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    wheel = folder / "files" / f"{name}-{version}-py3-none-any.whl"
    page = folder / "simple" / name / "index.json"
    for made in (wheel, page):
        made.parent.mkdir(parents=True, exist_ok=True)
    wheel.write_bytes(out.getvalue())
    known = json.loads(page.read_text())["files"] if page.is_file() else []
    entry = {
        "filename": wheel.name,
        "url": f"/files/{wheel.name}",
        "hashes": {"sha256": hashlib.sha256(out.getvalue()).hexdigest()},
        "size": len(out.getvalue()),
        "requires-python": ">=3.8",
    }
    page.write_text(json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": [*known, entry]}))


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on loopback, channels and simple indexes; give its address and the paths that are asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def do_GET(self) -> None:
            if self.path.startswith("/simple/"):
                self.path = f"{self.path.rstrip('/')}/index.json"
            super().do_GET()

        def guess_type(self, path: Any) -> str:
            return (
                "application/vnd.pypi.simple.v1+json" if str(path).endswith("index.json") else super().guess_type(path)
            )

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
