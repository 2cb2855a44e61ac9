"""The thirteen tools, as an agent meets them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

import httpx2
import pytest
from fastmcp.exceptions import ToolError

from .conftest import MakeServer, Server

TOOLS = {
    "list_notebooks",
    "get_notebook",
    "create_notebook",
    "get_cell",
    "update_cell",
    "insert_cell",
    "delete_cell",
    "execute_cell",
    "open_notebook_session",
    "close_notebook_session",
    "watch_notebook",
    "get_active_users",
    "get_active_sessions",
}


def fresh() -> str:
    return f"{uuid.uuid4().hex}.ipynb"


async def call(client: Any, tool: str, **arguments: Any) -> Any:
    content = (await client.call_tool(tool, arguments)).structured_content
    return content.get("result", content)


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_the_thirteen_tools_are_there_and_each_tool_has_a_schema_and_hints(server: Server, era: str) -> None:
    async def run() -> None:
        async with server.client(mode=era) as client:
            tools = await client.list_tools()
        assert {tool.name for tool in tools} >= TOOLS
        for tool in tools:
            assert tool.description
            assert tool.output_schema or tool.name not in TOOLS
            hints = tool.annotations
            assert None not in (
                hints.read_only_hint,
                hints.destructive_hint,
                hints.idempotent_hint,
                hints.open_world_hint,
            )

    asyncio.run(run())


def test_a_cell_is_inserted_run_read_and_saved(server: Server) -> None:
    path = f"deep/er/{fresh()}"

    async def run() -> None:
        async with server.client() as client:
            made = await call(client, "create_notebook", path=path)
            entry = {"path": path, "name": path.rsplit("/", maxsplit=1)[-1]}
            assert {key: made[key] for key in entry} == entry
            assert entry in await call(client, "list_notebooks")
            inserted = await call(client, "insert_cell", path=path, index=0, source="1+1")
            assert inserted == "Cell inserted at index 0"
            outputs = await call(client, "execute_cell", path=path, index=0)
            assert [one["type"] for one in outputs] == ["execute_result"]
            assert outputs[0]["content"]["data"]["text/plain"] == "2"
            cell = await call(client, "get_cell", path=path, index=0)
            assert cell["source"] == "1+1"
            assert cell["outputs"][0]["data"]["text/plain"] == "2"
            assert cell["execution_count"] == 1
            assert "for " + path in await call(client, "close_notebook_session", path=f"./{path}")

    asyncio.run(run())
    saved = json.loads((server.folder / path).read_text())
    assert saved["cells"][0]["outputs"][0]["data"]["text/plain"] == ["2"]


def test_a_cell_keeps_its_id_and_a_stale_write_is_refused(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="a = 1")
            cell = await call(client, "get_cell", path=path, index=1)
            await call(client, "update_cell", path=path, index=1, source="a = 2")
            with pytest.raises(ToolError, match="changed since"):
                await call(
                    client,
                    "update_cell",
                    path=path,
                    cell_id=cell["id"],
                    source="a = 3",
                    expected=cell["revision"],
                )
            now = await call(client, "get_cell", path=path, cell_id=cell["id"])
            assert (now["source"], now["id"], now["index"]) == ("a = 2", cell["id"], 1)
            assert await call(client, "delete_cell", path=path, cell_id=cell["id"]) == ("Cell 1 deleted")
            with pytest.raises(ToolError, match="No cell with id"):
                await call(client, "get_cell", path=path, cell_id=cell["id"])

    asyncio.run(run())


@pytest.mark.parametrize(
    "path",
    [
        "../x.ipynb",
        "a/../../x.ipynb",
        "%2e%2e/x.ipynb",
        ".hidden.ipynb",
        "a/.b/x.ipynb",
        "x.txt",
        "x\\..\\y.ipynb",
        "",
        "..%2fx.ipynb",
        "link.ipynb",
    ],
)
def test_no_path_leaves_the_root(server: Server, path: str) -> None:
    link = server.folder / "link.ipynb"
    outside = server.home / "outside.ipynb"
    outside.write_text("{}")
    if not link.is_symlink():
        link.symlink_to(outside)

    async def run() -> None:
        async with server.client() as client:
            for tool in ("get_notebook", "create_notebook", "open_notebook_session"):
                with pytest.raises(ToolError):
                    await call(client, tool, path=path)

    asyncio.run(run())
    assert outside.read_text() == "{}"


def test_creating_over_a_notebook_is_refused(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            with pytest.raises(ToolError, match="exists already"):
                await call(client, "create_notebook", path=f"/{path}")

    asyncio.run(run())


def test_a_long_cell_is_interrupted_and_the_kernel_goes_on(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=0, source="import time; x = 5; time.sleep(600)")
            await call(client, "insert_cell", path=path, index=1, source="print(x)")
            await call(client, "insert_cell", path=path, index=2, source="input()")
            with pytest.raises(ToolError, match="interrupted"):
                await call(client, "execute_cell", path=path, index=0, timeout=3)
            outputs = await call(client, "execute_cell", path=path, index=1)
            assert outputs == [{"type": "stream", "content": {"name": "stdout", "text": "5\n"}}]
            refused = await call(client, "execute_cell", path=path, index=2)
            assert refused[-1]["content"]["ename"] == "StdinNotImplementedError"

    asyncio.run(run())


def test_a_dead_kernel_is_an_error_and_the_next_call_heals(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=0, source="import os; os.kill(os.getpid(), 9)")
            await call(client, "insert_cell", path=path, index=1, source="1+1")
            with pytest.raises(ToolError, match="kernel died"):
                await call(client, "execute_cell", path=path, index=0)
            outputs = await call(client, "execute_cell", path=path, index=1)
            assert outputs[0]["content"]["data"]["text/plain"] == "2"

    asyncio.run(run())


def test_a_watcher_sees_another_agents_edit(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as one, server.client() as two:
            await call(one, "create_notebook", path=path)
            assert await call(one, "watch_notebook", path=path, timeout=0.2) == {"changed": False}
            watching = asyncio.create_task(call(one, "watch_notebook", path=path, timeout=60))
            await asyncio.sleep(1)
            await call(two, "insert_cell", path=path, index=-1, source="new")
            assert await watching == {"changed": True, "cell_count": 2}
            assert len(await call(one, "get_active_users")) >= 1
            rooms = await call(one, "get_active_sessions")
            assert any(room["room_id"].startswith("json:notebook:") for room in rooms)

    asyncio.run(run())


def test_an_acknowledged_edit_survives_kill_9(make_server: MakeServer) -> None:
    server = make_server()
    path = fresh()
    acknowledged: list[str] = []
    sources = [f"edit = {number}" for number in range(5)]

    async def edit() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "open_notebook_session", path=path)
            for source in sources:
                await call(client, "insert_cell", path=path, index=-1, source=source)
                acknowledged.append(source)
            server.kill()

    async def read() -> list[str]:
        async with server.client() as client:
            await call(client, "open_notebook_session", path=path)
            notebook = await call(client, "get_notebook", path=path)
            assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
            return [cell["source"] for cell in notebook["cells"]]

    # Closing the client may or may not fail, now that its server is gone.
    with contextlib.suppress(httpx2.TransportError, ToolError, RuntimeError, ExceptionGroup):
        asyncio.run(edit())
    assert acknowledged == sources
    server.start()
    assert asyncio.run(read()) == ["", *sources]
