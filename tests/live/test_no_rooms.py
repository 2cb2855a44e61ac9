"""A server whose jupyter-collaboration is off serves what needs no room, says what it can't, and stops in time."""

from __future__ import annotations

import asyncio

import pytest
from fastmcp.exceptions import ToolError

from .conftest import MakeServer
from .test_tools import call


def test_without_rooms_notebooks_are_read_from_their_files_and_the_server_stops(make_server: MakeServer) -> None:
    server = make_server(without=("jupyter_server_ydoc",))

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path="x.ipynb")
            assert [one["path"] for one in await call(client, "list_notebooks")] == ["x.ipynb"]
            assert (await call(client, "get_notebook", path="x.ipynb"))["cells"][0]["source"] == ""
            assert (await call(client, "get_cell", path="x.ipynb", index=-1))["index"] == 0
            assert len(await call(client, "get_active_users")) == 1
            for tool, more in (
                ("insert_cell", {"source": "1"}),
                ("execute_cell", {"index": 0}),
                ("open_notebook_session", {}),
                ("close_notebook_session", {}),
                ("watch_notebook", {}),
            ):
                with pytest.raises(ToolError, match="jupyter-collaboration is not enabled"):
                    await call(client, tool, path="x.ipynb", **more)

    asyncio.run(run())
    assert server.stop() == 0
    assert server.log.count("jupyter-collaboration is not enabled") >= 1
    assert "Traceback" not in server.log
