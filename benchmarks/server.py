"""A real Jupyter server in its own process, on loopback, with a home of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from .errors import ServerError

START_WITHIN = 90.0  # seconds
EXTENSIONS = Path(__file__).parent / "extensions"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Server:
    """A server that `python` runs on a folder of its own below `home`."""

    python: Path
    home: Path
    options: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def root(self) -> Path:
        return self.home / "work"

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ServerError("The server was never started.")
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Return whether the process has ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def begin(self) -> None:
        """Start the process, and wait for nothing."""
        self.root.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTER_TOKEN": self.token,
            "PYTHONPATH": str(EXTENSIONS),
            "VIRTUAL_ENV": str(self.python.parents[1]),
        }
        command = [
            *(str(self.python), "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0"),
            *(f"--ServerApp.root_dir={self.root}", "--ServerApp.log_level=WARN"),
            *self.options,
        ]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    async def start(self) -> None:
        """Start and wait until the API answers and the extensions had their start hooks."""
        self.begin()
        deadline = time.monotonic() + START_WITHIN
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                if self.ended:
                    break
                try:
                    if (await client.get(f"{self.url}api")).is_success:
                        await asyncio.sleep(1)
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        log_text = (self.home / "server.log").read_text(errors="replace")
        raise ServerError(f"{self.python} did not serve within {START_WITHIN:g} s:\n{log_text[-2000:]}")

    def memory(self) -> int:
        """Return the resident bytes of the server's process, kernels not counted."""
        resident: int = psutil.Process(self.pid).memory_info().rss
        return resident

    def kernels(self) -> list[int]:
        """Return the process ids of the server's kernels."""
        children = psutil.Process(self.pid).children(recursive=True)
        return [child.pid for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]

    def kill(self) -> None:
        """End it as a crash does, its kernels with it."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
