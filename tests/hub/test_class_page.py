"""The tutorial "A class of 30", from its own text: accounts of the system, a Hub, students and their agents.

It changes the machine's accounts and /etc, so it runs in a mount namespace with copies of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import nbformat
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.types import Implementation
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.live.browser import CHROMIUM, FLAGS, shot
from tests.support.documents import ROOT, blocks, write_files
from tests.support.needs import needs, require_namespaces
from tests.support.transcript import Replay, turns

PAGE = ROOT / "docs" / "tutorials" / "a-class-of-30.md"
HAND_OUT, START, PASSWORDS = (block.text for block in blocks(PAGE) if block.language == "sh" and block.run_by)
EXERCISE = "Which is the sum of all multiples of 3 or 5 below 1000?"
WAIT = 180_000  # milliseconds
# A machine of its own: copies of /etc and the homes, and a Python that every user can run.
SETTING = """
cp -a /etc {folder}/etc
mount --bind {folder}/etc /etc
mount -t tmpfs -o mode=755 tmpfs /home
for python in {pythons}; do
    mkdir -p {folder}/python && mount --bind "$python" {folder}/python
    top=/$(cut -d/ -f2 <<<"$python")
    if [ "$top" = /root ]; then mount -t tmpfs -o mode=755 tmpfs /root; fi
    mkdir -p "$python" && mount --move {folder}/python "$python"
done
"""
PORTS = """
c.JupyterHub.bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.hub_port = {inner}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
"""

pytestmark = [
    pytest.mark.slow,
    needs("chromium", "configurable-http-proxy", "openssl", "unshare"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes accounts"),
]


@dataclass
class Class:
    """The teacher's folder, on a machine where the Hub runs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def inside(self, text: str) -> None:
        """Run commands in a second terminal of the machine."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        words = ["nsenter", "-t", child, "-m", "-p", f"--wd={self.folder}", "bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def class_of_30(tmp_path: Path) -> Iterator[Class]:
    require_namespaces("unshare", "--mount", "--pid", "--fork")
    write_files(PAGE, tmp_path, "class/")
    port = free_port()
    with (tmp_path / "jupyterhub_config.py").open("a") as config:
        config.write(PORTS.format(hub=port, inner=free_port(), api=free_port()))
    for name in ("exercise", "exam"):
        cells = [nbformat.v4.new_markdown_cell(EXERCISE)]
        spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    pythons = " ".join(sorted({sys.prefix, sys.base_prefix}, key=len, reverse=True))
    script = f"{SETTING.format(folder=tmp_path, pythons=pythons)}\n{HAND_OUT}\n{START}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))}
    settings = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euo", "pipefail"]
    with (tmp_path / "hub.log").open("wb") as log:
        process = subprocess.Popen([*command, "-c", script], cwd=tmp_path, env=settings, stdout=log, stderr=log)
    made = Class(tmp_path, port, process)
    try:
        for _ in range(600):
            assert process.poll() is None, made.log
            try:
                if httpx.get(f"{made.url}/hub/api").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.3)
        yield made
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)


async def logged_in(browser: Browser, made: Class, student: str, password: str) -> Page:
    """Log in as a student does, and wait for the exercise."""
    page = await (await browser.new_context(viewport={"width": 1150, "height": 460})).new_page()
    page.set_default_timeout(WAIT)
    await page.goto(made.url)
    await page.locator("#username_input").fill(student)
    await page.locator("#password_input").fill(password)
    await page.locator("#login_submit").click()
    await page.locator(".jp-Notebook .jp-Cell", has_text=EXERCISE).wait_for(state="attached")
    await expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=WAIT)
    return page


async def token_of(page: Page, made: Class) -> str:
    """Ask for a token on the Hub's page."""
    other = await page.context.new_page()
    await other.goto(f"{made.url}/hub/token")
    await other.get_by_role("button", name="Request new API token").click()
    shown = other.locator("#token-result")
    await expect(shown).not_to_be_empty(timeout=WAIT)
    token = (await shown.text_content() or "").strip()
    await other.close()
    return token


def test_students_and_their_agents_do_what_the_tutorial_says(class_of_30: Class) -> None:
    made = class_of_30
    made.inside(PASSWORDS)
    passwords = dict(line.split(":", 1) for line in (made.folder / "passwords.txt").read_text().split())
    assert len(passwords) == 30

    async def work() -> dict[str, str]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await logged_in(browser, made, "student-01", passwords["student-01"])
            headers = {"Authorization": f"Bearer {await token_of(page, made)}"}
            transport = StreamableHttpTransport(f"{made.url}/user/student-01/mcp", headers=headers)
            async with Client(transport, client_info=Implementation(name="claude-code", version="1")) as agent:
                replay = Replay({"Agent": agent})
                for turn in turns(PAGE):
                    await replay.do(turn)
            await expect(page.locator(".jp-OutputArea-output", has_text="233168")).to_be_visible(timeout=WAIT)
            if await (news := page.get_by_role("button", name="No", exact=True)).count():
                await news.click()
                await expect(page.locator(".Toastify__toast")).to_have_count(0, timeout=WAIT)
            await shot(page, "a-class-of-30")
            await logged_in(browser, made, "student-30", passwords["student-30"])
            await browser.close()
            return headers

    try:
        headers = asyncio.run(work())
    except Exception as error:
        raise AssertionError(made.log[-4000:]) from error
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    theirs = httpx.post(f"{made.url}/user/student-30/mcp", json=ping, headers=headers | accept, timeout=60)
    assert theirs.status_code == 401, theirs.text
