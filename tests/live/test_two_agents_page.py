"""The tutorial "Two agents in one notebook", from its own text: its commands, each call of an agent, each reply.

With AGENTS_SCREENSHOTS=docs/pictures, the page's picture is taken.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp.types import Implementation
from playwright.async_api import expect

from tests.support.documents import ROOT, blocks
from tests.support.transcript import Replay, turns

from .browser import CHROMIUM, shot, tab_on
from .conftest import MakeServer, Server
from .test_people_kernel import READY, WAIT

PAGE = ROOT / "docs" / "tutorials" / "two-agents.md"
NAMES = {"Claude": "claude-code", "Codex": "codex-mcp-client"}


def shell(server: Server, text: str) -> str:
    """Run a block of the page in the folder of the notebooks, as the server's user."""
    settings = {
        **os.environ,
        "HOME": str(server.home),
        "JUPYTER_RUNTIME_DIR": str(server.home / "runtime"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(command, cwd=server.folder, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def agent(server: Server, who: str, entry: Mapping[str, Any]) -> Client[Any]:
    """Return a client that does what its file says, and names itself as the page's agent does."""
    settings = {"JUPYTER_RUNTIME_DIR": str(server.home / "runtime"), "PATH": os.environ["PATH"]}
    transport = StdioTransport(
        entry["command"], list(entry["args"]), env=settings, cwd=str(server.folder), keep_alive=False
    )
    return Client(transport, timeout=120, client_info=Implementation(name=NAMES[who], version="1"))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_two_agents_do_what_their_tutorial_says(make_server: MakeServer) -> None:
    server = make_server()
    (connect,) = (block.text for block in blocks(PAGE) if block.language == "sh")
    shell(server, connect)
    claude = json.loads((server.folder / ".mcp.json").read_text())["mcpServers"]["jupyter"]
    codex = tomllib.loads((server.home / ".codex" / "config.toml").read_text())["mcp_servers"]["jupyter"]

    async def work() -> None:
        async with agent(server, "Claude", claude) as one, agent(server, "Codex", codex) as other:
            said = turns(PAGE)
            replay = Replay({"Claude": one, "Codex": other})
            await replay.do(said.pop(0))
            async with tab_on(server, "rain.ipynb") as page:
                # A page notes the kernel's language in the notebook, which is a change too.
                await expect(page.get_by_role("button", name=READY)).to_be_visible(timeout=WAIT)
                await page.get_by_role("tab", name="Collaboration").click()
                for turn in said:
                    if turn.tool == "get_run" and turn.who == "Codex":  # while Claude's cell runs
                        collaborators = page.locator(".jp-CollaboratorsList")
                        for name in NAMES.values():
                            await expect(collaborators).to_contain_text(name, timeout=WAIT)
                        await expect(page.get_by_text("#2", exact=True).first).to_be_visible(timeout=WAIT)
                        await page.get_by_role("button", name="No", exact=True).click()  # to news of Jupyter
                        await page.set_viewport_size({"width": 1150, "height": 430})
                        await shot(page, "two-agents")
                        await page.set_viewport_size({"width": 1200, "height": 800})
                    if turn.tool == "insert_cell" and turn.who == "Claude":
                        await page.locator(".jp-mcp-StatusItem").click()
                        await page.get_by_role("button", name=f"Read only: {NAMES['Claude']}").click()
                        await expect(
                            page.get_by_role("button", name=f"Read only: {NAMES['Claude']}")
                        ).to_have_attribute("aria-pressed", "true", timeout=WAIT)
                    await replay.do(turn)
                await expect(page.locator(".jp-Notebook")).to_contain_text("sum(rain.values())", timeout=WAIT)

    asyncio.run(work())
