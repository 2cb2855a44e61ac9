"""Rooms: one per notebook, held while agents use them, closed when idle, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import httpx
import nbformat
import pytest
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook
from websockets import CloseCode
from websockets.exceptions import ConnectionClosedError

from .conftest import MakeServer, Server
from .person import connected, in_room
from .test_bridge import settle
from .test_outside import eventually, on_disk
from .test_stop import stored
from .test_tools import call, fresh

ROUNDS = int(os.environ.get("JUPYTER_MCP_ROOM_ROUNDS", "20"))


def test_spellings_of_a_path_are_one_room(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            before = await call(client, "get_active_sessions")
            for spelling in (path, f"./{path}", f"/{path}", f".//{path}"):
                await call(client, "open_notebook_session", path=spelling)
                await call(client, "insert_cell", path=spelling, index=-1, source=spelling)
            assert len(await call(client, "get_active_sessions")) == len(before) + 1
            assert len((await call(client, "get_notebook", path=path))["cells"]) == 5

    asyncio.run(run())


@pytest.mark.timeout(max(600, 2 * ROUNDS))
def test_opening_and_closing_leaves_rooms_tasks_and_descriptors_flat(server: Server) -> None:
    """JUPYTER_MCP_ROOM_ROUNDS=1000 is the full measure."""
    paths = [fresh() for _ in range(4)]

    async def run() -> None:
        async with server.client() as client:

            async def rounds(count: int) -> None:
                for number in range(count):
                    path = paths[number % len(paths)]
                    await call(client, "open_notebook_session", path=path)
                    if number % 3 == 0:
                        await call(client, "update_cell", path=path, index=0, source=str(number))
                    closed = await call(client, "close_notebook_session", path=path)
                    assert closed == f"Collaboration room closed for {path}"

            for path in paths:
                await call(client, "create_notebook", path=path)
            await rounds(8)
            before = server.counts()
            await rounds(ROUNDS)
            await settle(server, before, ("rooms", "loaders"), slack=0)
            await settle(server, before, ("tasks", "fds", "threads"), slack=3)
            assert server.counts()["rss"] - before["rss"] < 60 << 20
        assert list((server.home / "data" / "jupyter_mcp").rglob(f"{'?' * 36}.*.new")) == []

    asyncio.run(run())


@pytest.mark.slow
def test_a_room_that_only_agents_used_is_saved_and_closed_when_idle(make_server: MakeServer) -> None:
    options = ("--JupyterMCP.room_idle_timeout=1", "--YDocExtension.document_cleanup_delay=1")
    server = make_server(options=options, environment={"SWEEP_EVERY": "0.5"})
    path = fresh()

    async def rooms(client: Any) -> int:
        return len(await call(client, "get_active_sessions"))

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="kept = 1")
            await eventually(lambda: rooms(client), 0)
            assert on_disk(server.folder / path) == ["", "kept = 1"]
            await call(client, "get_cell", path=path, index=0)
            async with in_room(server, path, YNotebook()):
                await asyncio.sleep(2)  # longer than a sweep, and than an idle room is kept
                assert await rooms(client) == 1  # a person is in it
                said = await call(client, "close_notebook_session", path=path)
                assert said.endswith("(saved; still in use)")
            await eventually(lambda: rooms(client), 0)

    asyncio.run(run())


def test_a_tab_that_comes_as_its_room_is_closed_is_sent_round(make_server: MakeServer) -> None:
    """Jupyter-server-ydoc 3.0 alone leaves it connected and says nothing."""
    server = make_server()
    path = fresh()

    async def run() -> None:
        async with (
            server.client() as client,
            httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=30) as http,
        ):
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="kept = 1")
            await http.post("serverside/fire/hold-tabs")
            async with connected(server, path) as socket:
                closed = await call(client, "close_notebook_session", path=path)
                assert closed == f"Collaboration room closed for {path}"
                await http.post("serverside/fire/let-tabs-in")
                with pytest.raises(ConnectionClosedError) as said:
                    await asyncio.wait_for(socket.recv(), 20)
                assert said.value.rcvd is not None
                assert said.value.rcvd.code == CloseCode.TRY_AGAIN_LATER
            async with in_room(server, path, YNotebook()) as tab:
                tab.ycells[0]["source"].insert(8, "; typed = 2")
                await eventually(lambda: source(client), "kept = 1; typed = 2")

    async def source(client: Any) -> str:
        return str((await call(client, "get_cell", path=path, index=0))["source"])

    asyncio.run(run())


def test_a_tab_that_returns_after_the_room_was_closed_brings_nothing_twice(make_server: MakeServer) -> None:
    """The first edit of a room counts, too: a room built from a store without it has another history than the tab."""
    server = make_server()
    path = fresh()
    tab = YNotebook()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            for number in range(3):
                await call(client, "insert_cell", path=path, index=number, source=f"cell {number}")
            async with in_room(server, path, tab):
                assert [str(cell["source"]) for cell in tab.ycells] == ["cell 0", "cell 1", "cell 2", ""]
            await eventually(lambda: close(client), f"Collaboration room closed for {path}")
            assert stored(server) == on_disk(server.folder / path)
            await call(client, "update_cell", path=path, index=0, source="changed")
            async with in_room(server, path, tab):
                cells = (await call(client, "get_notebook", path=path))["cells"]
                assert [cell["source"] for cell in cells] == ["changed", "cell 1", "cell 2", ""]
                assert [str(cell["source"]) for cell in tab.ycells] == ["changed", "cell 1", "cell 2", ""]

    async def close(client: Any) -> str:
        return str(await call(client, "close_notebook_session", path=path))

    asyncio.run(run())


@pytest.mark.slow
def test_a_notebook_can_be_saved_while_another_agent_edits_it_without_a_pause(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as one, server.client() as two:
            cells = [nbformat.v4.new_code_cell(f"cell {number}") for number in range(200)]
            nbformat.write(nbformat.v4.new_notebook(cells=cells), server.folder / path)
            stop = asyncio.Event()

            async def edit() -> None:
                while not stop.is_set():
                    await call(two, "update_cell", path=path, index=0, source=fresh())

            editing = asyncio.create_task(edit())
            try:
                for number in range(3):
                    source = f"saved {number}"
                    await call(one, "update_cell", path=path, index=1, source=source)
                    await call(one, "close_notebook_session", path=path)
                    assert on_disk(server.folder / path)[1] == source
            finally:
                stop.set()
                await editing
            await call(one, "close_notebook_session", path=path)
            cells = (await call(one, "get_notebook", path=path))["cells"]
            assert on_disk(server.folder / path) == [cell["source"] for cell in cells]

    asyncio.run(run())


@pytest.mark.slow
def test_a_room_stays_while_an_agents_cell_runs_in_it_though_the_person_left(make_server: MakeServer) -> None:
    server = make_server(options=("--YDocExtension.document_cleanup_delay=1",))
    path = fresh()
    source = "import time\nfor n in range(30): print(n, flush=True); time.sleep(.1)"

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source=source)
            async with in_room(server, path, YNotebook()):
                running = asyncio.create_task(call(client, "execute_cell", path=path, index=0))
                await eventually(lambda: begun(client), wanted=True)
            assert (await call(client, "close_notebook_session", path=path)).endswith("still in use)")
            outputs = await running
            shown = (await call(client, "get_cell", path=path, index=0))["outputs"]
            assert shown[0]["text"] == outputs[0]["content"]["text"]
            await call(client, "close_notebook_session", path=path)
        saved = json.loads((server.folder / path).read_text())["cells"][0]["outputs"]
        assert "".join(saved[0]["text"]).split()[-1] == "29"

    async def begun(client: Any) -> bool:
        return bool((await call(client, "get_cell", path=path, index=0))["outputs"])

    asyncio.run(run())


def test_two_creations_at_once_make_one_notebook(server: Server) -> None:
    path = f"new/folder/{fresh()}"

    async def run() -> None:
        async with server.client() as client:
            creations = (call(client, "create_notebook", path=path) for _ in range(8))
            told = await asyncio.gather(*creations, return_exceptions=True)
            refused = [one for one in told if isinstance(one, BaseException)]
            assert [one["path"] for one in told if isinstance(one, dict)] == [path]
            assert len(refused) == 7
            assert all(isinstance(one, ToolError) and "exists already" in str(one) for one in refused)

    asyncio.run(run())


def test_two_agents_edits_at_once_are_all_there(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as one, server.client(mode="legacy") as two:
            await call(one, "create_notebook", path=path)
            tab = YNotebook()
            async with in_room(server, path, tab):

                async def edit(client: Any, name: str) -> None:
                    for number in range(15):
                        await call(client, "insert_cell", path=path, index=0, source=f"{name} {number}")
                        if number % 5 == 4:
                            await call(client, "close_notebook_session", path=path)

                await asyncio.gather(edit(one, "one"), edit(two, "two"))
                cells = (await call(one, "get_notebook", path=path))["cells"]
                wanted = {f"{name} {number}" for name in ("one", "two") for number in range(15)}
                assert {cell["source"] for cell in cells} == {*wanted, ""}
                assert len({cell["id"] for cell in cells}) == len(cells) == 31

                async def seen() -> list[str]:
                    return [str(cell["source"]) for cell in tab.ycells]

                await eventually(seen, [cell["source"] for cell in cells])
            users = await call(one, "get_active_users")
            assert len({user["id"] for user in users if user["id"].startswith("agent-")}) >= 2

    asyncio.run(run())


def test_a_second_server_on_the_same_folders_leaves_the_firsts_edits_alone(make_server: MakeServer) -> None:
    first = make_server()
    path = fresh()

    async def run() -> None:
        async with first.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="x = 1")
            journals = sorted((first.home / "data" / "jupyter_mcp").rglob("*.journal"))
            assert len(journals) == 1
            second = Server(first.folder, first.home, token=first.token)
            await asyncio.to_thread(second.start)
            assert sorted((first.home / "data" / "jupyter_mcp").rglob("*.journal")) == journals
            await call(client, "insert_cell", path=path, index=-1, source="y = 1")
            await asyncio.to_thread(second.stop)
            await call(client, "close_notebook_session", path=path)

    asyncio.run(run())
    assert on_disk(first.folder / path) == ["", "x = 1", "y = 1"]


def test_a_configured_store_is_used_for_rooms_that_agents_open(make_server: MakeServer, tmp_path: Any) -> None:
    database = tmp_path / "elsewhere.db"
    server = make_server(options=(f"--SQLiteYStore.db_path={database}",))
    path = fresh()

    async def edit() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=-1, source="x = 1")
            await call(client, "close_notebook_session", path=path)

    asyncio.run(edit())
    assert database.stat().st_size > 0
    assert not (server.folder / ".jupyter_ystore.db").exists()


def test_a_server_of_the_tests_touches_nothing_of_the_persons_own_data(server: Server) -> None:
    said = [line for line in server.log.splitlines() if "Configured database path" in line]
    assert said, "the database of file ids is not told"
    assert all(str(server.home) in line for line in said)
