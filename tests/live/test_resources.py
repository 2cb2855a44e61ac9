"""Notebooks as resources, completion of their paths, and parts of large ones."""

from __future__ import annotations

import asyncio
import json

import pytest
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceTemplateReference

from .conftest import MakeServer, Server
from .test_tools import call, fresh

TEMPLATE = "notebook:///{path*}"


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_notebook_is_a_resource_that_shows_what_is_not_saved_yet(server: Server, era: str) -> None:
    path = f"deep/er/{fresh()}"

    async def run() -> None:
        async with server.client(mode=era) as client:
            templates = await client.list_resource_templates()
            assert [str(one.uri_template) for one in templates] == [TEMPLATE]
            await call(client, "create_notebook", path=path)
            await call(client, "insert_cell", path=path, index=0, source="x = 'é'")
            (content,) = await client.read_resource(f"notebook:///{path}")
            assert [cell["source"] for cell in json.loads(content.text)["cells"]] == ["x = 'é'", ""]
            assert content.mime_type == "application/x-ipynb+json"
            for wrong in ("missing.ipynb", "..%2f..%2fetc.ipynb", ".hidden.ipynb", "x.txt"):
                with pytest.raises((MCPError, ToolError)):
                    await client.read_resource(f"notebook:///{wrong}")

    asyncio.run(run())


def test_a_large_resource_is_shortened_where_it_travels_as_one_event(server: Server) -> None:
    path = fresh()
    source = "for n in range(20): print('\\\"' * 50_000)"

    async def run() -> None:
        async with server.client(mode="legacy") as client:
            await call(client, "create_notebook", path=path)
            await call(client, "update_cell", path=path, index=0, source=source)
            await call(client, "execute_cell", path=path, index=0)
            (content,) = await client.read_resource(f"notebook:///{path}")
            shown = json.loads(content.text)["cells"][0]
            assert shown["source"] == source
            assert "left out of this reply" in shown["outputs"][0]["text"]

    asyncio.run(run())


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_paths_are_completed(make_server: MakeServer, era: str) -> None:
    server = make_server()
    for number in range(120):
        (server.folder / f"many-{number:03}.ipynb").write_text("{}")
    (server.folder / "one.ipynb").write_text("{}")
    reference = ResourceTemplateReference(type="ref/resource", uri=TEMPLATE)

    async def run() -> None:
        async with server.client(mode=era) as client:
            found = await client.complete(reference, {"name": "path", "value": "on"})
            assert found.values == ["one.ipynb"]
            many = await client.complete(reference, {"name": "path", "value": "many-"})
            assert (len(many.values), many.total, many.has_more) == (100, 120, True)
            other = ResourceTemplateReference(type="ref/resource", uri="other:///{path*}")
            assert (await client.complete(other, {"name": "path", "value": ""})).values == []

    asyncio.run(run())


def test_completion_asks_for_the_right_to_read(make_server: MakeServer) -> None:
    server = make_server(
        options=("--ServerApp.authorizer_class=serverside.ByPath",), environment={"ALLOWED": "write:contents"}
    )
    (server.folder / "secret.ipynb").write_text("{}")
    reference = ResourceTemplateReference(type="ref/resource", uri=TEMPLATE)

    async def run() -> None:
        async with server.client() as client:
            with pytest.raises(MCPError) as refused:
                await client.complete(reference, {"name": "path", "value": ""})
            assert "secret" not in str(refused.value)
            with pytest.raises(MCPError, match="may not read"):
                await client.read_resource("notebook:///secret.ipynb")

    asyncio.run(run())


def test_a_large_notebook_is_read_in_parts(server: Server) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path=path)
            for number in range(5):
                source = f"\n# part {number}\nprint({number})"
                await call(client, "insert_cell", path=path, index=number, source=source)
            await call(client, "execute_cell", path=path, index=2)
            whole = await call(client, "get_notebook", path=path)
            assert "cell_count" not in whole
            part = await call(client, "get_notebook", path=path, start=2, count=2)
            assert part == {
                **whole,
                "cells": [{**whole["cells"][index], "index": index} for index in (2, 3)],
                "cell_count": 6,
            }
            last = await call(client, "get_notebook", path=path, start=-1)
            assert [cell["index"] for cell in last["cells"]] == [5]
            bare = await call(client, "get_notebook", path=path, outputs=False)
            assert [cell["source"] for cell in bare["cells"]] == [cell["source"] for cell in whole["cells"]]
            assert not any("outputs" in cell for cell in bare["cells"])
            outline = await call(client, "get_notebook", path=path, outline=True)
            assert [cell["source"] for cell in outline["cells"]] == [*(f"# part {n} …" for n in range(5)), ""]
            assert [cell["id"] for cell in outline["cells"]] == [cell["id"] for cell in whole["cells"]]
            with pytest.raises(ToolError, match="the notebook has 6"):
                await call(client, "get_notebook", path=path, start=7)

    asyncio.run(run())
