"""The two commands of the page on the index, in a clean environment of each Python that is here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from door.errors import UsageError
from door.interpreters import found
from env.spec import ROOT
from images.check.mcp_client import ask
from release.checkout import read_checkout
from release.distributions import build_distributions
from tests.support.documents import blocks, shell_lines
from tests.support.needs import reason

PAGE = ROOT / "docs" / "pypi.md"
TOKEN = "a-token-of-the-test"
STARTS_S = 180

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = build_distributions(read_checkout(ROOT, draft=True), tmp_path_factory.mktemp("wheel"))
    return next(file for file in files if file.suffix == ".whl")


@pytest.fixture
def home() -> Iterator[Path]:
    # Below /tmp: a socket's path has a bound, and a kernel's is in here.
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        yield Path(folder)


@contextmanager
def running(command: str, settings: Mapping[str, str], folder: Path, log: Path) -> Iterator[dict[str, Any]]:
    """Run a server's command line in a folder; yield what its runtime file says when it answers."""
    with log.open("wb") as out:
        words = ["bash", "-euc", f"exec {command}"]
        server = subprocess.Popen(words, cwd=folder, env=settings, stdout=out, stderr=out, start_new_session=True)
    try:
        end = time.monotonic() + STARTS_S
        while not (files := list(Path(settings["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json"))):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield json.loads(files[0].read_text())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "version",
    # Each takes a minute or two: where there are several Pythons, the others are for the long runs.
    [pytest.param(one, marks=pytest.mark.slow if one == HERE else pytest.mark.long) for one in VERSIONS],
)
def test_the_wheel_answers_after_the_two_commands_of_the_page(version: str, wheel: Path, home: Path) -> None:
    try:
        python = found(version)
    except UsageError:
        pytest.skip(
            reason(f"Python {version}", f"apt-get install python{version}-venv, or uv python install {version}")
        )
    install, start = shell_lines(next(block.text for block in blocks(PAGE) if block.language == "sh"))
    assert (install, start) == ("pip install jupyter-mcp-rooms jupyterlab", "jupyter lab")
    subprocess.run([python, "-m", "venv", str(home / "venv")], check=True, capture_output=True)
    work = home / "work"
    work.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "VIRTUAL_ENV", "PYTHON"))
    }
    settings = kept | {
        "HOME": str(home),
        "PATH": f"{home / 'venv' / 'bin'}{os.pathsep}{os.defpath}",
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_TOKEN": TOKEN,
    }
    # The released name is not on the index yet, and what is tried is the wheel that is here.
    command = install.replace("jupyter-mcp-rooms", f"'{wheel}'")
    done = subprocess.run(
        ["bash", "-euc", command], cwd=work, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    options = "--no-browser --ServerApp.port=0 --ServerApp.allow_root=True"
    with running(f"{start} {options}", settings, work, home / "log") as server:
        url = f"{server['url']}mcp"
        tools = {tool["name"] for tool in ask(url, TOKEN, "list-tools")}
        assert {"create_notebook", "insert_cell", "execute_cell"} <= tools
        ask(url, TOKEN, "call", "create_notebook", {"path": "first.ipynb"})
        code = "import sys; print(sys.version_info[:2], 6 * 7)"
        ask(url, TOKEN, "call", "insert_cell", {"path": "first.ipynb", "index": 0, "source": code})
        told = ask(url, TOKEN, "call", "execute_cell", {"path": "first.ipynb", "index": 0})
        assert f"({version.replace('.', ', ')}) 42" in json.dumps(told)
        listed = subprocess.run(
            ["jupyter", "mcp", "list", "--json"], env=settings, capture_output=True, text=True, check=False
        )
        assert listed.returncode == 0, listed.stderr
        assert server["url"] in listed.stdout
