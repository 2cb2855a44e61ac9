"""Take the picture of the README: a person in Chromium and an agent over MCP in one notebook, on a real server.

Run by ``./noxw -s picture``; needs Debian's chromium.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.types import Implementation
from playwright.async_api import Page, async_playwright

PICTURE = Path(__file__).with_name("person-and-agent.png")
CHROMIUM = "/usr/bin/chromium"
NOTEBOOK = "rain.ipynb"
PERSON = "# Rain in Tokyo and London\nI typed this. Agent, please load the numbers and plot both cities."
LOAD = """import polars as pl

rain = pl.DataFrame({
    "month": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "Tokyo": [60, 57, 116, 134, 140, 168, 156, 155, 225, 235, 96, 58],
    "London": [59, 45, 41, 43, 46, 47, 46, 53, 50, 66, 67, 58],
})
rain.select(pl.col("Tokyo", "London").sum())"""
PLOT = """import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 2.2))
axes.bar(rain["month"], rain["Tokyo"], label="Tokyo")
axes.bar(rain["month"], rain["London"], width=0.5, label="London")
axes.set_ylabel("mm a month")
axes.legend();"""
FORECAST = """from time import sleep

for month in rain["month"]:
    print(f"asking the weather service for {month} ...")
    sleep(3)"""
AGENT = Implementation(name="Claude Code", version="2")


async def person_writes(page: Page, url: str, token: str) -> None:
    """Open the notebook as a person does, and type into its first cell."""
    await page.goto(f"{url}lab/tree/{NOTEBOOK}?token={token}&reset")
    await page.wait_for_selector(".jp-Notebook .jp-Cell")
    # The file browser says nothing here.
    await page.keyboard.press("Control+b")
    await page.locator(".jp-Notebook .jp-Cell").first.click()
    await page.keyboard.press("Escape")
    await page.keyboard.press("m")
    await page.keyboard.press("Enter")
    await page.keyboard.type(PERSON)
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("heading", name="Rain in Tokyo").wait_for()


async def agent_answers(client: Client[StreamableHttpTransport]) -> None:
    """Insert and run two cells, over MCP."""
    for source in (LOAD, PLOT):
        await client.call_tool("execute_cell", {"path": NOTEBOOK, "index": await inserted(client, source)})


async def inserted(client: Client[StreamableHttpTransport], source: str) -> int:
    """Insert a cell at the end, over MCP; return its index."""
    reply = await client.call_tool("insert_cell", {"path": NOTEBOOK, "index": -1, "source": source})
    return int(str(reply.data).rsplit(" ", 1)[-1])


async def take(url: str, token: str) -> None:
    """Let both work, and take the picture when the person's screen shows the agent's plot."""
    transport = StreamableHttpTransport(f"{url}mcp", headers={"Authorization": f"Bearer {token}"})
    async with async_playwright() as playwright, Client(transport, timeout=120, client_info=AGENT) as client:
        await client.call_tool("create_notebook", {"path": NOTEBOOK})
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = await browser.new_page(viewport={"width": 1360, "height": 940})
        page.set_default_timeout(120_000)
        await person_writes(page, url, token)
        await agent_answers(client)
        await page.locator(".jp-OutputArea-output img").first.wait_for()
        await page.get_by_role("button", name="No", exact=True).click()
        await page.locator(".jp-Notebook .jp-Cell").first.click()
        await page.locator(".jp-mcp-StatusItem").click()
        await page.get_by_role("region", name="Agents").wait_for()
        # While the agent's third cell runs, so that its name and cursor, the status and the marks are to be seen.
        at = await inserted(client, FORECAST)
        await client.call_tool("run_cells", {"path": NOTEBOOK, "start": at, "wait": 0})
        await page.get_by_text("asking the weather service").first.wait_for()
        await page.wait_for_timeout(2000)
        await page.screenshot(path=PICTURE)
        await browser.close()


def main() -> None:
    """Start a server on a new folder, take the picture, stop the server."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
        with subprocess.Popen(
            [*command, f"--ServerApp.root_dir={folder}"], stderr=subprocess.PIPE, text=True, cwd=folder
        ) as server:
            try:
                for line in server.stderr or ():
                    if match := re.search(r"(http://127\.0\.0\.1:\d+/)lab\?token=(\w+)", line):
                        asyncio.run(take(match[1], match[2]))
                        break
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
