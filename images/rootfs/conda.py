"""Install conda packages into a staged prefix, for whichever platform, with py-rattler, pixi's own installer.

All packages of a platform are installed together, since py-rattler decides between packages that bring the same path;
layers then take their packages' files from the prefix by what ``conda-meta/`` says.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from env.files import link_or_copy
from env.formats.lock import LockedFile
from env.platforms import Platform
from env.spec import ROOT
from env.store.store import Store
from images.errors import PackageContentError
from images.rootfs.entries import Entry, Kind
from images.rootfs.wheels import PREFIX

_OF_THE_BUILD = ("extracted_package_dir", "link", "package_tarball_full_path")
"""What conda-meta says of the machine that installed; none of it is true of the image."""
_META = "conda-meta"


def install(files: Iterable[LockedFile], platform: Platform, store: Store, folder: Path, final: str = PREFIX) -> Path:
    """Install conda packages from the store for a platform below `folder`, which is not there yet; return the prefix.

    `final` is where the prefix is in the image.

    Raises:
        StoreMissError, StoreCorruptError: a package is not in the store as it should be.
        PackageContentError: py-rattler can't install one.
        OSError: the disk is full.

    """
    prefix = folder / "prefix"
    archives = folder / "archives"
    archives.mkdir(parents=True)
    for file in files:
        # py-rattler takes name and format from the file's name.
        link_or_copy(store.verified(file.sha256, file.file), archives / Path(file.file).name)
    order = {
        "archives": [str(path) for path in sorted(archives.iterdir())],
        "cache": str(folder / "cache"),
        "final": final,
        "prefix": str(prefix),
        "subdir": platform.conda,
    }
    command = [sys.executable, "-m", "images.rootfs._install"]
    run = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False, cwd=ROOT)
    try:
        answer = json.loads(run.stdout)
    except ValueError:
        answer = {"reason": run.stderr.strip().rpartition("\n")[2] or f"py-rattler ended with {run.returncode}"}
    if answer:
        if f"os error {errno.ENOSPC}" in answer["reason"]:
            raise OSError(errno.ENOSPC, answer["reason"])
        raise PackageContentError("conda", " ".join(answer["reason"].split()))
    return prefix


def entries(file: LockedFile, prefix: Path, final: str = PREFIX) -> Iterator[Entry]:
    """Yield the entries of one installed package: its files and its conda-meta record, without the build's traces.

    Left out are bytecode that the package brings, since it is tied to the times of its sources, which the image does
    not keep, and files that py-rattler moved aside because another package brings the same path.
    """
    path = prefix / _META / f"{Path(file.file).name.removesuffix('.conda').removesuffix('.tar.bz2')}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    root = final.lstrip("/")
    for name in sorted(record["files"]):
        if "/__pycache__/" not in f"/{name}" and not name.startswith("__clobbers__/"):
            yield _entry(prefix / name, f"{root}/{name}", file.name)
    meta = f"{root}/{_META}/{path.name}"
    yield Entry(meta, Kind.FILE, 0o644, content=_cleaned(record, file), origin=file.name)


def _entry(path: Path, target: str, package: str) -> Entry:
    if path.is_symlink():
        return Entry(target, Kind.SYMLINK, 0o777, target=str(path.readlink()), origin=package)
    if path.is_dir():
        return Entry(target, Kind.DIRECTORY, 0o755, origin=package)
    if not path.is_file():
        raise PackageContentError(package, f"says that it has /{target}, and there is no such file")
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return Entry(target, Kind.FILE, mode, content=path, origin=package)


def _cleaned(record: dict[str, Any], file: LockedFile) -> bytes:
    kept = {key: value for key, value in record.items() if key not in _OF_THE_BUILD}
    # In the order that threads came to them otherwise.
    kept["files"] = sorted(record["files"])
    kept["paths_data"]["paths"] = sorted(record["paths_data"]["paths"], key=lambda entry: str(entry["_path"]))
    kept |= {"channel": file.archive, "url": f"{file.archive}{file.file}"}
    return json.dumps(kept, sort_keys=True, indent=2).encode() + b"\n"
