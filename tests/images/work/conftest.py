"""The hardened image, unpacked once for all tests, and a new volume for each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.sandbox import Sandbox

from .container import Container, native, on, unpacked


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap: apt-get install bubblewrap")
    if os.geteuid() != 0:
        pytest.skip("only root can run the image as a user that owns other files")
    with unpacked(tmp_path_factory.mktemp("jupyter") / "layout", native()) as sandbox:
        yield sandbox


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A new volume, as OpenShift mounts one: root's, and writable by the group that every user there is in."""
    place = Path(tempfile.mkdtemp(prefix="volume-", dir="/var/tmp"))
    place.chmod(0o755)
    folder = place / "workspace"
    folder.mkdir()
    folder.chmod(0o775)
    yield folder
    shutil.rmtree(place)


@pytest.fixture
def container(image: Sandbox, workspace: Path) -> Container:
    return on(image, workspace)
