"""The tutorial "Getting started" with podman, from its own text: the image is loaded, run, opened and worked in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from playwright.async_api import Page, async_playwright, expect

from tests.live.browser import CHROMIUM, FLAGS, shot
from tests.support.documents import ROOT, Block, blocks
from tests.support.needs import needs, reason
from tests.support.shown import difference

PAGE = ROOT / "docs" / "tutorials" / "getting-started.md"
LAYOUT = ROOT / "dist" / "images" / "jupyter"
OWN = ROOT / ".noxw" / f"{sys.version_info.major}.{sys.version_info.minor}"
LOAD, RUN, CONNECT, STOP = (block for block in blocks(PAGE) if block.language == "sh" and block.run_by)
WAIT = 120_000  # milliseconds
# As CI is: root in a container, without systemd, and with no more open files than the outer one allows.
CONFIG = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""
# vfs would copy all of the image once for each of its layers.
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/root"
runroot = "{folder}/run"
"""


@dataclass(frozen=True)
class Machine:
    """A terminal in the checkout, with podman's storage of its own, and another port than the page's."""

    folder: Path
    port: int

    def _command(self, text: str) -> dict[str, Any]:
        places = {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "PYTHON": sys.executable,
        }
        # The page says what to change where the port is taken.
        there = text.replace("127.0.0.1:8888:8888", f"127.0.0.1:{self.port}:8888")
        words = ["bash", "-euo", "pipefail", "-c", there]
        return {"args": words, "env": os.environ | places, "cwd": ROOT, "text": True, "stderr": subprocess.STDOUT}

    def run(self, text: str) -> str:
        """Run commands; return what they print. Raises AssertionError if they fail."""
        done = subprocess.run(**self._command(text), stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        return done.stdout

    def start(self, block: Block) -> tuple[subprocess.Popen[str], str]:
        """Start the container as the page says; return it, and what it printed until MCP was served."""
        begun = subprocess.Popen(**self._command(block.text), stdout=subprocess.PIPE)
        assert begun.stdout is not None
        told = ""
        for line in begun.stdout:
            told += line
            if "MCP is served at" in line:
                return begun, told
        raise AssertionError(told)


@pytest.fixture
def machine() -> Iterator[Machine]:
    if not (OWN / "noxw.txt").is_file() or not LAYOUT.is_dir():
        pytest.skip("was not started with ./noxw, or the image jupyter was not built")
    folder = Path(tempfile.mkdtemp(prefix="podman-", dir="/var/tmp"))
    (folder / "containers.conf").write_text(CONFIG)
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Machine(folder, probe.getsockname()[1])
    try:
        made.run("podman info")
    except AssertionError as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(reason("overlay mounts for podman", str(error).strip().rsplit("\n", 1)[-1]))
    yield made
    made.run("podman rm --all --force; podman rmi --all --force; podman volume rm --all --force")
    shutil.rmtree(folder, ignore_errors=True)


async def opened(page: Page, machine: Machine, token: str) -> None:
    """Open the page and enter the token, as a person does."""
    await page.goto(f"http://127.0.0.1:{machine.port}")
    await page.locator("#password_input").fill(token)
    await page.locator("#login_submit").click()
    await page.locator(".jp-MarkdownOutput h1", has_text="Getting started").wait_for()
    await expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=WAIT)


async def person_and_agent(page: Page, machine: Machine, entry: dict[str, Any], token: str) -> None:
    """Run the notebook's cells with Shift+Enter, and let an agent of one's own add one to it and run it."""
    await page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in range(6):  # up to the third code cell
        await page.keyboard.press("Shift+Enter")
    # Printed when the notebook's agent has typed all of its cell.
    done = page.locator(".jp-OutputArea-output", has_text="Cell inserted at index 7")
    await expect(done).to_be_visible(timeout=WAIT)
    headers = {name: value.replace("${JUPYTER_TOKEN}", token) for name, value in entry["headers"].items()}
    url = re.sub(r":8888/", f":{machine.port}/", entry["url"])
    async with Client(StreamableHttpTransport(url, headers=headers), timeout=120) as agent:
        added = await agent.call_tool(
            "insert_cell", {"path": "getting-started.ipynb", "index": -1, "source": "name.upper()"}
        )
        cell = (added.structured_content or {})["id"]
        await agent.call_tool("execute_cell", {"path": "getting-started.ipynb", "cell_id": cell})
    await expect(page.locator(".jp-OutputArea-output", has_text="'WORLD'")).to_be_visible(timeout=WAIT)
    await shot(page, "getting-started-podman")


async def type_on(page: Page) -> None:
    """Begin to type into the last cell."""
    await page.locator(".jp-Notebook .jp-Cell .cm-content").last.click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("  # typed before the stop")


@pytest.mark.slow
@needs("podman", "runc", "chromium")
@pytest.mark.skipif(os.geteuid() != 0, reason="podman as root: what a user may mount differs by host")
def test_getting_started_is_true_to_the_letter_with_podman(machine: Machine) -> None:
    assert difference(str(LOAD.output), machine.run(LOAD.text)) == ""
    container, told = machine.start(RUN)
    assert difference(str(RUN.output), told) == ""
    token = machine.run("podman exec ov-jupyter cat /home/jovyan/workspace/.jupyter/token").strip()
    assert token in told.splitlines()[0]
    # Beside the checkout: it is not to be changed by its tests.
    files = {name: f"{machine.folder}/{name}" for name in ("jupyter.json", ".mcp.json")}
    machine.run(re.sub(r"(?<![\w/])(jupyter|\.mcp)\.json", lambda found: files[found[0]], CONNECT.text))
    entry = json.loads((machine.folder / ".mcp.json").read_text())["mcpServers"]["jupyter"]

    async def work() -> None:
        nonlocal container
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 1200, "height": 800})
            page.set_default_timeout(WAIT)
            await opened(page, machine, token)
            await person_and_agent(page, machine, entry, token)
            await type_on(page)
            await asyncio.to_thread(machine.run, STOP.text)
            await asyncio.to_thread(container.communicate, timeout=60)
            container, again = await asyncio.to_thread(machine.start, RUN)
            assert "made a token" not in again
            await browser.close()

    asyncio.run(work())
    url = f"http://127.0.0.1:{machine.port}/api/contents/getting-started.ipynb"
    model = httpx.get(url, headers={"Authorization": f"token {token}"}, timeout=60).raise_for_status().json()
    last = model["content"]["cells"][-1]["source"]
    assert last == "name.upper()  # typed before the stop"
    machine.run(STOP.text)
    container.communicate(timeout=60)
