"""Looking around on a real server: many notebooks, data files, and a person's tab."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from .conftest import MakeServer
from .test_tools import call

EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
MANY = 3_000


async def raw(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    content: dict[str, Any] = (await client.call_tool(tool, arguments)).structured_content
    return content


def test_many_notebooks_are_listed_in_part_searched_as_they_are_now_and_files_shown_with_sizes(
    make_server: MakeServer,
) -> None:
    server = make_server()
    text = json.dumps(EMPTY)
    for number in range(MANY):
        folder = server.folder / f"d{number % 100:02}"
        folder.mkdir(exist_ok=True)
        (folder / f"n{number:05}.ipynb").write_text(text)
    (server.folder / "d00" / "data.csv").write_text("1,2\n")
    (server.folder / "d00" / ".secret").write_text("no")

    async def run(era: str) -> None:
        async with server.client(mode=era) as client:
            first = await client.call_tool("list_notebooks", {})
            assert len(first.content[0].text) < 12_000
            assert first.data[0] == {"path": "d00/n00000.ipynb", "name": "n00000.ipynb"}
            assert len(first.data) == 100
            content = first.structured_content
            assert len(content["result"]) + content["more"] == MANY
            assert f"{content['more']} more" in first.content[1].text
            few = await raw(client, "list_notebooks", folder="d07", pattern="n000*")
            assert few == {"result": [{"path": "d07/n00007.ipynb", "name": "n00007.ipynb"}]}
            files = await raw(client, "list_files", folder="d00", pattern="*.csv")
            assert files == {"result": [{"path": "d00/data.csv", "size": 4}]}
            assert {"path": "d42/"} in (await raw(client, "list_files"))["result"]
            assert (await raw(client, "list_files", folder="d00", pattern="secret"))["result"] == []
            path = f"d01/{era}.ipynb"
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source="a = 1\nneedle = a")
            cell = await call(client, "get_cell", path=path, index=0)
            found = await raw(client, "search_notebooks", pattern="needle", folder="d01")
            (mine,) = [one for one in found["notebooks"] if one["path"] == path]
            assert mine["matches"] == [{"cell_id": cell["id"], "index": 0, "line": 2, "text": "needle = a"}]
            assert await call(client, "get_context") == []
            for tool in ("list_files", "list_notebooks"):
                with pytest.raises(ToolError, match="leaves the root"):
                    await raw(client, tool, folder="../..")
            (server.folder / path).unlink()

    for era in ("auto", "legacy"):
        asyncio.run(run(era))
