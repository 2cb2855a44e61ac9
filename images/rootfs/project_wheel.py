"""The project's own wheel, built from the checkout: the one input of an image that no registry holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from env.formats.lock import LockedFile
from env.project import source_hashes
from env.spec import DISTRIBUTION, ROOT
from env.store.store import Store
from images.cache import Cache, key_of
from images.errors import PackageContentError


def project_wheel(store: Store, epoch: int) -> LockedFile:
    """Build the project's wheel into the store, unless it holds the one these sources make.

    `epoch` is the time that the wheel's members carry, in seconds since 1970.

    Raises:
        PackageContentError: hatchling can't build it.

    """
    cache, key = Cache(store), key_of(epoch, source_hashes())
    known = cache.get("project", key)
    if known is not None and known["sha256"] in store:
        return LockedFile(**known)
    with tempfile.TemporaryDirectory(dir=store.partial) as folder:
        wheel = _build(Path(folder), epoch)
        name, version = wheel.name.split("-")[:2]
        sha256 = store.add(wheel.read_bytes())
        built = LockedFile(name.replace("_", "-"), version, wheel.name, sha256, wheel.stat().st_size)
    cache.put("project", key, {field: value for field, value in vars(built).items() if value is not None})
    return built


def _build(folder: Path, epoch: int) -> Path:
    # A umask of the user's would reach the modes inside the wheel.
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    settings = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, umask=0o022)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise PackageContentError(DISTRIBUTION, done.stderr.strip().rpartition("\n")[2] or "hatchling made no wheel")
    return wheels[0]
