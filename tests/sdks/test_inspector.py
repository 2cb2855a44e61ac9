"""MCP's inspector, on its command line: it finds no fault, in both eras, and drives tasks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp.tools import tasks
from tests.support.bridge import TOKEN, until
from tests.support.served import Served, run

from .installed import lacking
from .node_client import inspector
from .test_typescript import begun, held, texts

pytestmark = [
    pytest.mark.skipif(lacking() is not None, reason=str(lacking())),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # upstream's streams
]
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


async def said(at: Served, home: Path, era: str, *arguments: str) -> Any:
    """Run a method; return its result."""
    code, out, error = await inspector(home, at.bridge.url, TOKEN, "--protocol-era", era, "--method", *arguments)
    assert code == 0, out + error
    found = json.loads(out)
    return found.get("result", found)


@ERAS
def test_it_finds_no_fault_in_the_tools_schemas(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        code, _, error = await inspector(
            tmp_path, at.bridge.url, TOKEN, "--protocol-era", era, "--method", "tools/list", "--strict"
        )
        assert code == 0, error
        assert "0 errors" in error or not error, error

    run(tmp_path, job)


@ERAS
def test_it_reads_calls_and_is_told_what_was_wrong(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        assert (await said(at, tmp_path, era, "prompts/list"))["prompts"]
        assert (await said(at, tmp_path, era, "resources/list"))["resources"]
        assert "one" in json.dumps(await said(at, tmp_path, era, "resources/read", "--uri", "notebook:///n.ipynb"))
        call = ("tools/call", "--tool-name", "execute_cell", "--tool-args-json", '{"path": "n.ipynb", "index": 0}')
        done = await said(at, tmp_path, era, *call)
        assert done["structuredContent"]["result"][0]["content"]["text"] == "one"

    run(tmp_path, job)


@ERAS
def test_a_long_call_ends_with_its_result_as_a_task_where_there_are_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setattr(tasks, "SOON", 0.05)
    made: list[str] = []
    told = tasks.Tasks._told

    def noted(self: tasks.Tasks, one: Any) -> Any:
        made.append(one.id)
        return told(self, one)

    monkeypatch.setattr(tasks.Tasks, "_told", noted)

    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        call = ("tools/call", "--tool-name", "execute_cell", "--tool-args-json", '{"path": "n.ipynb", "index": 0}')
        calling = asyncio.create_task(said(at, tmp_path, era, *call))
        await asyncio.wait_for(until(lambda: begun(at) and (era == "legacy" or bool(made))), 30)
        go.set()
        assert "first last" in texts(await calling)
        assert bool(made) == (era == "modern")

    run(tmp_path, job)


@ERAS
@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_it_says_so_at_once(tmp_path: Path, era: str, token: str | None) -> None:
    async def job(at: Served) -> None:
        code, out, error = await inspector(
            tmp_path, at.bridge.url, token, "--protocol-era", era, "--method", "tools/list"
        )
        assert code != 0
        assert "auth_required" in out + error

    run(tmp_path, job)
