"""The hardened image of each platform, unpacked once for all tests, and a new volume for each."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from env.platforms import Platform
from images.check.sandbox import Sandbox
from images.errors import EmulationError
from tests.support.needs import reason, require

from .container import Container, Running, native, on, other, unpacked, volume


@pytest.fixture(scope="session")
def unpacked_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Platform], Sandbox]]:
    """Yield a platform's image, ready to be run; another platform's under emulation."""
    require("setpriv")
    if os.geteuid() != 0:
        pytest.skip(reason("root", "only root can run the image as a user that owns other files"))
    with ExitStack() as stack:

        @functools.cache
        def made(platform: Platform) -> Sandbox:
            folder = tmp_path_factory.mktemp(platform.slug)
            sandbox = stack.enter_context(unpacked(folder / "layout", platform))
            try:
                sandbox.probe()
            except EmulationError as error:
                pytest.skip(reason("emulation", str(error)))
            return sandbox

        yield made


# All of the tests on the emulated platform take half an hour.
EVERYWHERE = [native(), pytest.param(other(), marks=pytest.mark.long)]


@pytest.fixture(scope="session", params=EVERYWHERE, ids=str)
def image(unpacked_for: Callable[[Platform], Sandbox], request: pytest.FixtureRequest) -> Sandbox:
    return unpacked_for(request.param)


@pytest.fixture
def emulated(unpacked_for: Callable[[Platform], Sandbox], workspace: Path) -> Container:
    return on(unpacked_for(other()), workspace)


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A new volume."""
    with volume() as folder:
        yield folder


@pytest.fixture(scope="session")
def first_start(image: Sandbox) -> Iterator[Running]:
    """The image on a new volume, after its first start; tests leave it running."""
    with volume() as folder:
        container = on(image, folder)
        with container.begun() as service:
            health = container.health()
            container.await_api(service)
            yield Running(container, service, health)


@pytest.fixture
def container(image: Sandbox, workspace: Path) -> Container:
    return on(image, workspace)
