"""Many edits in one call, on a real server: on both eras, and kept through a crash."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx2
import pytest
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from .conftest import MakeServer, Server
from .person import in_room
from .test_tools import call, fresh


async def prepared(client: Any, path: str) -> list[str]:
    """Make a notebook of three cells; return their ids."""
    await call(client, "create_notebook", path=path)
    edits = [{"op": "insert", "cells": [{"source": "df = 1"}, {"source": "print(df)"}]}]
    reply = await call(client, "edit_notebook", path=path, edits=edits)
    cells = (await call(client, "get_notebook", path=path))["cells"]
    assert [cell["id"] for cell in cells[1:]] == [cell["id"] for cell in reply["cells"]]
    return [cell["id"] for cell in cells]


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_edits_are_seen_by_a_person_and_a_bad_one_among_them_changes_nothing(server: Server, era: str) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            first, second, third = await prepared(client, path)
            async with in_room(server, path, YNotebook()) as person:
                edits: list[dict[str, Any]] = [
                    {"op": "str_replace", "old": "df", "new": "frame", "all": True, "expected": None},
                    {"op": "move", "cell_id": third, "before": second},
                ]
                with pytest.raises(ToolError, match=r"Edit 3 of 3 \(delete\): No cell with id 'no'.*Nothing was"):
                    await call(client, "edit_notebook", path=path, edits=[*edits, {"op": "delete", "cell_id": "no"}])
                reply = await call(client, "edit_notebook", path=path, edits=edits)
                assert reply["done"] == ["replaced 2 in 2 cells", "moved 1 cell"]
                async with asyncio.timeout(20):
                    while [cell["id"] for cell in person.ycells] != [first, third, second]:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                assert [str(cell["source"]) for cell in person.ycells] == ["", "print(frame)", "frame = 1"]
            cell = await call(client, "get_cell", path=path, cell_id=third)
            assert cell["revision"] in [one["revision"] for one in reply["cells"]]

    asyncio.run(run())


def test_edits_that_were_answered_survive_kill_9_all_of_them(make_server: MakeServer) -> None:
    server = make_server()
    path = fresh()
    ids: list[str] = []

    async def edit() -> None:
        async with server.client() as client:
            ids.extend(await prepared(client, path))
            edits = [{"op": "move", "cell_id": ids[2], "before": ids[0]}, {"op": "delete", "cell_id": ids[1]}]
            await call(client, "edit_notebook", path=path, edits=edits)
            server.kill()

    async def read() -> list[str]:
        async with server.client() as client:
            return [cell["id"] for cell in (await call(client, "get_notebook", path=path))["cells"]]

    with contextlib.suppress(httpx2.TransportError, ToolError, RuntimeError, ExceptionGroup):
        asyncio.run(edit())
    server.start()
    assert asyncio.run(read()) == [ids[2], ids[0]]
