"""`jupyter mcp` beside a real server, as an agent's host starts it in the folder of the notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from .conftest import MakeServer, Server
from .test_execution import outputs_in_document
from .test_outside import eventually
from .test_runs import ERAS

PROGRAM = str(Path(sys.executable).with_name("jupyter-mcp"))
PICTURE = (
    "import base64, io\nfrom IPython.display import display\nfrom PIL import Image\nfile = io.BytesIO()\n"
    "Image.linear_gradient('L').save(file, 'PNG')\n"
    "display({'image/png': base64.b64encode(file.getvalue()).decode()}, raw=True)"
)
ENDLESS = "import time\nwhile True:\n    print('.', flush=True); time.sleep(.05)"


def environment(server: Server) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    return {**kept, "JUPYTER_RUNTIME_DIR": str(server.home / "runtime")}


def client(server: Server, era: str, **options: Any) -> Client[Any]:
    log = server.home / "stdio.log"
    folder = str(server.folder)
    return Client(
        StdioTransport(PROGRAM, ["stdio"], environment(server), folder, keep_alive=False, log_file=log),
        mode=era,
        **options,
    )


async def notebook_of(agent: Client[Any], path: str, source: str) -> None:
    await agent.call_tool("create_notebook", {"path": path})
    await agent.call_tool("update_cell", {"path": path, "index": 0, "source": source})


@ERAS
def test_an_agent_works_over_stdio_as_over_http_and_its_cancel_interrupts(server: Server, era: str) -> None:
    async def job() -> None:
        path = f"stdio-{era}.ipynb"
        async with client(server, era) as agent:
            await notebook_of(agent, path, PICTURE)
            shown = await agent.call_tool("execute_cell", {"path": path, "index": 0})
            assert "image" in [block.type for block in shown.content]
            await agent.call_tool("update_cell", {"path": path, "index": 0, "source": ENDLESS})
            run = asyncio.create_task(agent.call_tool("execute_cell", {"path": path, "index": 0}))

            async def begun() -> bool:
                return "." in str(await outputs_in_document(agent, path, 0))

            await eventually(begun, wanted=True)
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

            async def interrupted() -> bool:
                return "KeyboardInterrupt" in str(await outputs_in_document(agent, path, 0))

            await eventually(interrupted, wanted=True)

    asyncio.run(job())
    assert server.token not in (server.home / "stdio.log").read_text()


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_an_agent_goes_on_after_a_restart_with_another_token(make_server: MakeServer, era: str) -> None:
    server = make_server()

    async def job() -> None:
        async with client(server, era) as agent:
            await notebook_of(agent, "a.ipynb", "1")
            await asyncio.to_thread(server.kill)
            server.token, server.port = "another", 0
            asked = asyncio.create_task(agent.call_tool("get_notebook", {"path": "a.ipynb"}))
            await asyncio.to_thread(server.start)
            assert json.loads((await asked).content[0].text)["cells"][0]["source"] == "1"

    asyncio.run(job())


def test_list_and_connect_find_the_server_that_runs(server: Server, tmp_path: Path) -> None:
    variables = {**environment(server), "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"}
    listed = subprocess.run(
        ["jupyter", "mcp", "list", "--json"], env=variables, capture_output=True, text=True, check=True
    )
    (found,) = [one for one in json.loads(listed.stdout) if one["url"].endswith(f":{server.port}/")]
    assert (found["mcp"], found["root"]) == (True, str(server.folder))
    assert server.token not in listed.stdout + listed.stderr
    words = ["jupyter", "mcp", "connect", "claude-code", "--folder", str(server.folder)]
    told = subprocess.run(words, env=variables, capture_output=True, text=True, check=True)
    entry = json.loads(told.stdout)["mcpServers"]["jupyter"]
    assert Path(entry["command"]).is_file()
    assert "not yet" not in told.stderr

    async def as_told() -> None:
        transport = StdioTransport(
            entry["command"], entry["args"], {**os.environ, **entry["env"]}, str(server.folder), keep_alive=False
        )
        async with Client(transport) as agent:
            assert await agent.list_tools()

    asyncio.run(as_told())
