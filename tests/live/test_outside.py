"""Others write, rename and delete the file of an open notebook; agents' edits are never silently lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_tools import call, fresh


def rewrite(file: Path, change: Any) -> None:
    """Change a notebook's file as an editor does: read, change, replace."""
    time.sleep(0.05)  # a time stamp of its own
    notebook = json.loads(file.read_text())
    change(notebook)
    file.write_text(json.dumps(notebook))


async def sources(client: Any, path: str) -> list[str]:
    notebook = await call(client, "get_notebook", path=path)
    return [cell["source"] for cell in notebook["cells"]]


async def eventually(probe: Any, wanted: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while (found := await probe()) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


def on_disk(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]


@pytest.mark.parametrize("wait", [0.0, 3.0], ids=["before the save", "after the save"])
def test_an_outside_change_is_merged_with_an_agents_edit(server: Server, wait: float) -> None:
    path = fresh()
    file = server.folder / path

    def theirs(notebook: dict[str, Any]) -> None:
        cell = nbformat.v4.new_code_cell("theirs = 1")
        notebook["cells"].insert(0, {**cell, "source": ["theirs = 1"]})

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "open_notebook_session", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="ours = 1")
            await asyncio.sleep(wait)
            rewrite(file, theirs)
            await eventually(lambda: sources(client, path), ["theirs = 1", "", "ours = 1"])

            async def disk() -> list[str]:
                return on_disk(file)

            await eventually(disk, ["theirs = 1", "", "ours = 1"])

    asyncio.run(run())


def test_a_cell_changed_on_both_sides_is_kept_twice(server: Server) -> None:
    path = fresh()
    file = server.folder / path

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=0, source="old = 1")
            await call(client, "close_notebook_session", path=path)
            await call(client, "update_cell", path=path, index=0, source="ours = 1")
            rewrite(file, lambda notebook: notebook["cells"][0].update(source=["theirs = 1"]))
            await eventually(lambda: sources(client, path), ["ours = 1", "theirs = 1", ""])
            ids = [cell["id"] for cell in (await call(client, "get_notebook", path=path))["cells"]]
            assert len(set(ids)) == 3

    asyncio.run(run())
    assert f"{path} was changed outside: 1 cells were changed on both sides" in server.log


def test_a_notebook_without_cell_ids_is_rescued_beside_it(server: Server) -> None:
    path = fresh()
    file = server.folder / path
    cell = {"cell_type": "code", "source": ["a = 1"], "metadata": {}, "outputs": [], "execution_count": None}
    file.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))

    async def run() -> None:
        async with server.client() as client:
            await call(client, "update_cell", path=path, index=0, source="ours = 1")
            rewrite(file, lambda notebook: notebook["cells"][0].update(source=["theirs = 1"]))
            await eventually(lambda: sources(client, path), ["theirs = 1"])

            async def rescued() -> bool:
                return file.with_suffix(".recovered.ipynb").exists()

            await eventually(rescued, wanted=True)

    asyncio.run(run())
    assert on_disk(file.with_suffix(".recovered.ipynb")) == ["ours = 1"]


def test_a_person_sees_the_merge_and_nothing_twice(server: Server) -> None:
    path = fresh()
    file = server.folder / path

    async def run() -> None:
        tab = YNotebook()
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            async with in_room(server, path, tab):

                async def seen() -> list[str]:
                    return [str(cell["source"]) for cell in tab.ycells]

                await call(client, "insert_cell", path=path, index=-1, source="agent")
                # Appended before the agent's cell has come, the person's might as well stand above it.
                await eventually(seen, ["", "agent"])
                tab.ycells.append(tab.create_ycell({"cell_type": "code", "source": "person", "metadata": {}}))
                rewrite(file, lambda notebook: notebook["cells"][0].update(source=["file"]))
                wanted = ["file", "agent", "person"]
                await eventually(lambda: sources(client, path), wanted)
                await eventually(seen, wanted)

    asyncio.run(run())


def test_a_renamed_notebook_keeps_its_room_kernel_and_journal(make_server: MakeServer) -> None:
    server = make_server()
    old, new = fresh(), fresh()

    async def rename() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=old)
            await call(client, "update_cell", path=old, index=0, source="x = 41")
            await call(client, "execute_cell", path=old, index=0)
            rooms = await call(client, "get_active_sessions")
            async with httpx.AsyncClient(headers=server.headers) as http:
                reply = await http.patch(f"{server.url}api/contents/{old}", json={"path": new})
                reply.raise_for_status()
            await call(client, "insert_cell", path=new, index=-1, source="x + 1")
            outputs = await call(client, "execute_cell", path=new, index=-1)
            assert outputs[0]["content"]["data"]["text/plain"] == "42"
            assert await call(client, "get_active_sessions") == rooms
            with pytest.raises(ToolError, match="No notebook at"):
                await call(client, "get_cell", path=old, index=0)
            await call(client, "insert_cell", path=new, index=-1, source="last")
            server.kill()

    async def read() -> list[str]:
        async with server.client() as client:
            return await sources(client, new)

    # Leaving a client whose server is gone may fail.
    with contextlib.suppress(ToolError, RuntimeError, ExceptionGroup, httpx.TransportError):
        asyncio.run(rename())
    server.start()
    assert asyncio.run(read()) == ["x = 41", "x + 1", "last"]
    assert sorted(entry.name for entry in server.folder.glob("*.ipynb")) == [new]


def test_a_deleted_notebook_is_gone_for_agents_and_its_room_ends(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client, httpx.AsyncClient(headers=server.headers) as http:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="x")
            before = {room["room_id"] for room in await call(client, "get_active_sessions")}
            (await http.delete(f"{server.url}api/contents/{path}")).raise_for_status()
            with pytest.raises(ToolError, match="No notebook at"):
                await call(client, "insert_cell", path=path, index=-1, source="y")

            async def fewer() -> bool:
                rooms = {room["room_id"] for room in await call(client, "get_active_sessions")}
                return len(before - rooms) == 1

            await eventually(fewer, wanted=True)
            await call(client, "create_notebook", path=path)
            assert await sources(client, path) == [""]

    asyncio.run(run())
    assert not list(server.folder.glob(f"{path.removesuffix('.ipynb')}.recovered*"))


def test_a_notebook_that_is_not_writable_is_refused_before_it_is_changed(make_server: MakeServer) -> None:
    server = make_server(options=("--ServerApp.contents_manager_class=serverside.ReadOnlySometimes",))
    path = f"locked-{fresh()}"
    cell = nbformat.v4.new_code_cell("print(1)")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), server.folder / path)

    async def run() -> None:
        async with server.client() as client:
            assert (await call(client, "get_cell", path=path, index=0))["source"] == "print(1)"
            for tool in ("update_cell", "insert_cell"):
                with pytest.raises(ToolError, match="not writable"):
                    await call(client, tool, path=path, index=0, source="x")
            with pytest.raises(ToolError, match="not writable"):
                await call(client, "execute_cell", path=path, index=0)
            assert await sources(client, path) == ["print(1)"]
            assert "still in use" not in await call(client, "close_notebook_session", path=path)

    asyncio.run(run())
