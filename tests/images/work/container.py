"""The jupyter image of this checkout as a hardened deployment runs it: arbitrary uid, read-only root, one volume."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import zstandard
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from rich.console import Console

from env.platforms import AMD64, PLATFORMS, Platform
from env.store.store import Store
from images.check.bubblewrap import bubblewrap, words
from images.check.emulator import emulator
from images.check.sandbox import Sandbox
from images.check.service import Service
from images.oci.read import PlatformImage, blob_path, read_layout
from images.oci.unpack import unpack
from images.rootfs.bytecode import host
from tests.images.conftest import images

WORKSPACE = "/home/jovyan/workspace"
OPENSHIFT = (12345, 0)
READY_S = 90
EMULATED_READY_S = 300


def native() -> Platform:
    return host() or AMD64


def other() -> Platform:
    """The platform that is emulated here."""
    return next(platform for platform in PLATFORMS if platform != native())


@contextlib.contextmanager
def unpacked(layout: Path, platform: Platform, *parts: str) -> Iterator[Sandbox]:
    """Build the image and unpack it with its files' owners, in a place that every user may enter."""
    run = images("build", "jupyter", "--env", "wheels", "--platform", platform, "--output", layout, *parts)
    assert run.returncode == 0, run.stderr
    image = read_layout(layout)[platform]
    # pytest's own folders are root's alone.
    place = Path(tempfile.mkdtemp(prefix="image-", dir="/var/tmp"))
    place.chmod(0o755)
    try:
        root = place / "root"
        root.mkdir()
        unpack(image, root)
        if os.geteuid() == 0:
            _own(image, root)
        store, console = Store(), Console(stderr=True)
        # The user that runs it may not enter root's own store.
        carried = words(shutil.copytree(Path(bubblewrap(store, console)[0]).parent, place / "bubblewrap"))
        yield Sandbox(root, platform, image.config["config"], emulator(platform, store, console), carried)
    finally:
        shutil.rmtree(place)


def _own(image: PlatformImage, root: Path) -> None:
    for layer in image.layers:
        with blob_path(image.layout, layer["digest"]).open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    if member.uid or member.gid:
                        os.lchown(root / member.name, member.uid, member.gid)


@dataclass
class Container:
    """One image on one workspace; `start` may be called again, as when a container is made anew."""

    sandbox: Sandbox
    workspace: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    logs: list[Path] = field(default_factory=list)

    @property
    def ready_s(self) -> int:
        return READY_S if self.sandbox.emulator is None else EMULATED_READY_S

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the last start printed."""
        return self.logs[-1].read_text(errors="replace")

    @property
    def token(self) -> str:
        return (self.workspace / ".jupyter" / "token").read_text().strip()

    def variables(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"JUPYTER_IP": "127.0.0.1", "JUPYTER_PORT": str(self.port), **self.env, **(env or {})}

    def health(self) -> tuple[int, str]:
        done = self.sandbox.run(["healthcheck"], self.ready_s, self.variables())
        return done.returncode, done.stdout.strip() + done.stderr.strip()

    @contextlib.contextmanager
    def begun(self, env: Mapping[str, str] | None = None) -> Iterator[Service]:
        """Start it, and wait for nothing."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.logs.append(self.workspace.with_name(f"{self.workspace.name}.{len(self.logs)}.log"))
        with self.logs[-1].open("wb") as output, self.sandbox.service(self.variables(env), output) as service:
            yield service

    @contextlib.contextmanager
    def started(self, env: Mapping[str, str] | None = None) -> Iterator[Service]:
        """Start it, and wait until it serves."""
        with self.begun(env) as service:
            self.await_api(service)
            yield service

    def await_api(self, service: Service, path: str = "/api") -> None:
        for _ in range(self.ready_s * 5):
            assert service.running, self.log
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}{path}", timeout=30).status_code < 500:
                    return
            time.sleep(0.2)
        raise AssertionError(self.log)

    def client(self, token: str | None = None) -> Client[StreamableHttpTransport]:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return Client(StreamableHttpTransport(f"{self.url}/mcp", headers=headers), timeout=self.ready_s)


@dataclass
class Running:
    """A container that serves, and what its health check said before it did."""

    container: Container
    service: Service
    health: tuple[int, str]


@contextlib.contextmanager
def volume() -> Iterator[Path]:
    """Make a new volume, as OpenShift mounts one: root's, and writable by the group that every user there is in."""
    place = Path(tempfile.mkdtemp(prefix="volume-", dir="/var/tmp"))
    place.chmod(0o755)
    folder = place / "workspace"
    folder.mkdir()
    folder.chmod(0o775)
    try:
        yield folder
    finally:
        shutil.rmtree(place)


def on(sandbox: Sandbox, workspace: Path, user: tuple[int, int] | None = OPENSHIFT) -> Container:
    """Return the image hardened: another user, nothing writable but the volume and /tmp."""
    hardened = replace(sandbox, user=user, writable_home=False, network=True, mounts={WORKSPACE: workspace})
    return Container(hardened, workspace)
