"""A backup of a volume is restored with the commands of docs/how-to/operate.md, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import ROOT, blocks

from .conftest import Server
from .test_tools import call

PAGE = ROOT / "docs" / "how-to" / "operate.md"
MARKS = [f"'mark {number}'" for number in range(8)]

pytestmark = pytest.mark.slow


def command(program: str) -> str:
    """Return the page's command that does this with tar."""
    (found,) = [block.text for block in blocks(PAGE) if f"tar --{program} " in block.text]
    return found


def run(text: str, volume: Path, backup: Path) -> None:
    subprocess.run(["sh", "-euc", text], check=True, env={**os.environ, "VOLUME": str(volume), "BACKUP": str(backup)})


async def edit(server: Server) -> None:
    async with server.client() as client:
        await call(client, "create_notebook", path="n.ipynb")
        for mark in MARKS:
            await call(client, "insert_cell", path="n.ipynb", index=-1, source=mark)


async def sources(server: Server) -> list[str]:
    async with server.client() as client:
        return [cell["source"] for cell in (await call(client, "get_notebook", path="n.ipynb"))["cells"]]


@pytest.mark.parametrize("how", ["a snapshot of a server at work", "a server that was stopped"])
def test_what_was_acknowledged_is_there_after_a_restore(tmp_path: Path, how: str) -> None:
    volume, backup = tmp_path / "volume", tmp_path / "backup.tar"
    state = volume / ".jupyter"  # as in the images
    state.mkdir(parents=True)
    server = Server(volume, state).start()
    try:
        asyncio.run(edit(server))
        if "snapshot" in how:
            os.killpg(server.process.pid, signal.SIGSTOP)  # nothing is written meanwhile: one moment
        else:
            assert server.stop() == 0
        run(command("create"), volume, backup)
        if "snapshot" in how:
            saved = (volume / "n.ipynb").read_text()
            assert MARKS[-1] not in saved, "it was saved: the journal is not tried"
            os.killpg(server.process.pid, signal.SIGCONT)
            server.kill()
        shutil.rmtree(volume)
        volume.mkdir()
        run(command("extract"), volume, backup)
        server.start()
        assert asyncio.run(sources(server))[1:] == MARKS
    finally:
        server.stop()
