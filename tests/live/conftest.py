"""A real Jupyter server in its own process, as a user starts it."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from tests.support.warm import Forked, Warm

SERVERSIDE = Path(__file__).resolve().parent
SOURCE = Path(__file__).resolve().parents[2]


def _installed(*modules: str) -> tuple[str, ...]:
    return tuple(name for name in modules if find_spec(name.partition(".")[0]))


# What a server imports at its start: the extensions of jupyter-collaboration and ours bring nearly all of it. Others
# are not in the environments of tests-lowest and tests-newest.
IMPORTED = _installed(
    "jupyter_lsp",
    "jupyter_mcp.app",
    "jupyter_resource_usage",
    "jupyter_server_fileid",
    "jupyter_server_terminals",
    "jupyter_server_ydoc",
    "jupyterlab.labapp",
    "jupyterlab_git",
    "nbdime.webapp.nb_server_extension",
    "notebook_shim",
)


@functools.cache
def _warm() -> Warm:
    """Return the process that servers are forked from, one for all tests of a run's worker."""
    process = Warm("jupyterlab", *IMPORTED, env=_where_it_is())
    atexit.register(process.close)
    return process


def _where_it_is() -> dict[str, str]:
    """Return the variables with which a server finds what tests put into it, and us where we are not installed."""
    # serverside.py: what tests put into the server's process.
    found = {"PYTHONPATH": str(SERVERSIDE)}
    try:
        distribution("jupyter-mcp-rooms")
    except PackageNotFoundError:
        found["PYTHONPATH"] += f":{SOURCE}"
        found["JUPYTER_CONFIG_PATH"] = str(SOURCE / "jupyter_mcp" / "etc" / "jupyter")
    return found


@dataclass
class Server:
    """One server process on a folder; `kill` is SIGKILL, `start` may be called again after it."""

    folder: Path
    home: Path
    base_url: str = "/"
    options: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # server extensions that are switched off
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()  # words before the command; they must end in exec
    cold: bool = False  # the start itself is tested: nothing is imported before it
    port: int = 0
    process: subprocess.Popen[bytes] | Forked | None = None
    _warm: Warm | None = None  # what it is forked from, where words come before its command

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    @property
    def mcp(self) -> str:
        return f"{self.url}mcp"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text()

    def start(self) -> Server:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        environment = {
            **os.environ,
            **_where_it_is(),
            "HOME": str(self.home),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTER_TOKEN": self.token,
            **self.environment,
        }
        arguments = [
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={self.base_url}",
            f"--ServerApp.root_dir={self.folder}",
            # JupyterLab reads where a person's settings are as it is imported, which was done for all servers at once.
            f"--LabApp.user_settings_dir={self.home / 'settings'}",
            f"--LabApp.workspaces_dir={self.home / 'workspaces'}",
            # Its place is found while it is imported: in a forked server it would be the person's own.
            f"--BaseFileIdManager.db_path={self.home / 'data' / 'file_id_manager.db'}",
            f"--ServerApp.jpserver_extensions={ {'serverside': True, **dict.fromkeys(self.without, False)} }",
            *self.options,
        ]
        # Many tests share a server, and each begins with a new kernel. Given twice, traitlets takes no setting of ours.
        if not any("max_kernels" in option for option in self.options):
            arguments.append("--JupyterMCP.max_kernels=1000")
        with (self.home / "server.log").open("ab") as log:
            where: dict[str, Any] = {"env": environment, "cwd": self.folder, "stdout": log, "stderr": log}
            if self.cold:
                command = [sys.executable, "-m", "jupyterlab", *arguments]
                self.process = subprocess.Popen(command, start_new_session=True, **where)
            else:
                if self.prefix and self._warm is None:
                    self._warm = Warm("jupyterlab", *IMPORTED, env=_where_it_is(), prefix=self.prefix)
                self.process = (self._warm or _warm()).start("jupyterlab", arguments, **where)
        for _ in range(600):
            assert self.process.poll() is None, self.log
            try:
                if httpx.get(f"{self.url}api").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.log)

    def kill(self) -> None:
        """End the process as a crash does; its kernels go with it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(60)
        if self._warm is not None:
            self._warm.close()
            self._warm = None
        return code

    def client(self, headers: dict[str, str] | None = None, **options: Any) -> Client[Any]:
        return Client(StreamableHttpTransport(self.mcp, headers=headers or self.headers), **options)

    def counts(self) -> dict[str, int]:
        """Count what a leak would grow, inside the server."""
        reply = httpx.get(f"{self.url}serverside/counts", headers=self.headers)
        counts: dict[str, int] = reply.raise_for_status().json()
        return counts


MakeServer = Callable[..., Server]


@pytest.fixture
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def make(folder: Path | None = None, **settings: Any) -> Server:
        server = Server(folder or tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home"), **settings)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it as they found it."""
    running = Server(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")).start()
    yield running
    running.stop()
