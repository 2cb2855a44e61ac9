"""The fixture server in its two mounts: below a Jupyter server through our bridge, and on plain uvicorn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from .errors import MountError

FIXTURE = Path(__file__).parent / "fixture"
START_WITHIN = 60.0  # seconds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _bridge(port: int, home: Path) -> tuple[list[str], str]:
    # No token: the suites can't send a header. Loopback only, a folder of its own, and no other extension.
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={home}",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.jpserver_extensions={'fixture_extension': True, 'jupyter_mcp': False}",
    ]
    return [sys.executable, "-m", "jupyter_server", *options], f"http://127.0.0.1:{port}/fixture"


def _uvicorn(port: int, _: Path) -> tuple[list[str], str]:
    return [sys.executable, str(FIXTURE / "fixture_uvicorn.py"), str(port)], f"http://127.0.0.1:{port}/mcp"


MOUNTS: dict[str, Callable[[int, Path], tuple[list[str], str]]] = {"bridge": _bridge, "uvicorn": _uvicorn}


@contextmanager
def mounted(name: str, home: Path) -> Iterator[str]:
    """Run the fixture server in a process of its own; gives the URL of its endpoint. Raises MountError."""
    home.mkdir(parents=True)
    command, url = MOUNTS[name](_free_port(), home)
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(FIXTURE), "JUPYTER_DATA_DIR": str(home / "data")}
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=output)
    try:
        _wait(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until a ping of no session is answered, with whatever error."""
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.delete(url).status_code != httpx.codes.NOT_FOUND:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise MountError(f"{url} did not come up in {START_WITHIN:g} s:\n{log.read_text(errors='replace')[-2000:]}")
