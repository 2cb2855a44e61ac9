"""The variables of a notebook's kernel, told without a trace in the notebook."""

from __future__ import annotations

import asyncio

import pytest
from fastmcp.exceptions import ToolError

from .conftest import Server
from .test_tools import call, fresh

SOURCE = "import io; a = 3; text = 'x' * 500; items = list(range(1000)); print = 7"


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_variables_are_told_and_the_notebook_and_its_history_stay_as_they_were(server: Server, era: str) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            await call(client, "create_notebook", path=path)
            with pytest.raises(ToolError, match="No kernel runs"):
                await call(client, "list_variables", path=path)
            await call(client, "update_cell", path=path, index=0, source=SOURCE)
            await call(client, "execute_cell", path=path, index=0, cell_id=None)
            before = await call(client, "get_notebook", path=path)
            told = (await call(client, "list_variables", path=path))["variables"]
            assert {one["name"]: one for one in told} == {
                "a": {"name": "a", "type": "int", "value": "3"},
                "items": {"name": "items", "type": "list", "length": 1000, "value": "[0, 1, 2, 3, ...]"},
                "print": {"name": "print", "type": "int", "value": "7"},
                "text": {"name": "text", "type": "str", "length": 500, "value": told[-1]["value"]},
            }
            assert await call(client, "get_notebook", path=path) == before
            again = (await call(client, "list_variables", path=path))["variables"]
            assert again == told
            with pytest.raises(ToolError, match=r"Unknown: 'notebook' \(did you mean 'path'\?\)"):
                await call(client, "list_variables", notebook=path)

    asyncio.run(run())
