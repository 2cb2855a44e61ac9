"""A server of an older version is killed, and this one starts over the same folder: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.needs import reason, require

from .conftest import SERVERSIDE, SOURCE, MakeServer, Server
from .test_crash import GONE
from .test_tools import call

OLDER = {
    "the first that merges outside changes": "4c55b5d",
    "the last before the modules were sorted": "7c7d96b",
}
MARKS = 8

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def installed(commit: str, place: Path) -> Path:
    """Return a folder with the package of a commit, built and installed as a wheel; its dependencies are today's."""
    require("git")
    archive = subprocess.run(["git", "archive", commit], cwd=SOURCE, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(reason("git history", f"a clone that has the commit {commit}"))
    source, wheels, target = place / "source", place / "wheels", place / "installed"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(source, filter="data")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        f"--target={target}",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return target


def older(target: Path) -> dict[str, str]:
    """Return the variables with which a server runs that package."""
    return {"PYTHONPATH": f"{target}:{SERVERSIDE}"}


async def edits(server: Server, path: str, first: int, *, create: bool) -> None:
    """Make edits that are acknowledged, and kill the server before it saves the last of them."""
    async with server.client() as client:
        if create:
            await call(client, "create_notebook", path=path)
        for number in range(first, first + MARKS):
            await call(client, "insert_cell", path=path, index=-1, source=f"'mark {number}'")
        await call(client, "update_cell", path=path, index=-1, source=f"'mark {first + MARKS - 1}' # changed")
        server.kill()


def expected(count: int, first: int = 0) -> list[str]:
    last = f"'mark {first + count - 1}' # changed"
    return [*(f"'mark {number}'" for number in range(first, first + count - 1)), last]


async def sources(server: Server, path: str) -> list[str]:
    async with server.client() as client:
        cells = (await call(client, "get_notebook", path=path))["cells"]
        await call(client, "close_notebook_session", path=path)
    return [cell["source"] for cell in cells]


def on_disk(server: Server, path: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads((server.folder / path).read_text())["cells"]]


def dies_with_edits(server: Server, path: str, first: int = 0, *, create: bool = True) -> None:
    with contextlib.suppress(*GONE):
        asyncio.run(edits(server, path, first, create=create))
    assert server.process is not None
    assert server.process.poll() is not None, "it did not come to the kill"


@pytest.mark.parametrize("commit", OLDER.values(), ids=OLDER.keys())
def test_an_upgrade_with_a_journal_in_flight_loses_nothing(
    make_server: MakeServer, tmp_path: Path, commit: str
) -> None:
    server = make_server(cold=True, environment=older(installed(commit, tmp_path)), without=("serverside",))
    dies_with_edits(server, "n.ipynb")
    assert on_disk(server, "n.ipynb")[1:] != expected(MARKS), "it was saved: the journal is not tried"
    server.environment, server.options = {}, ()
    server.start()
    assert asyncio.run(sources(server, "n.ipynb"))[1:] == expected(MARKS)
    assert on_disk(server, "n.ipynb")[1:] == expected(MARKS)


@pytest.mark.parametrize("commit", [OLDER["the last before the modules were sorted"]])
def test_a_downgrade_with_a_journal_in_flight_loses_nothing(
    make_server: MakeServer, tmp_path: Path, commit: str
) -> None:
    server = make_server(cold=True, without=("serverside",))
    dies_with_edits(server, "n.ipynb")
    server.environment = older(installed(commit, tmp_path))
    server.start()
    assert asyncio.run(sources(server, "n.ipynb"))[1:] == expected(MARKS)
    assert on_disk(server, "n.ipynb")[1:] == expected(MARKS)
