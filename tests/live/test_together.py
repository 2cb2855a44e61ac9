"""People, agents and other programs work on one notebook in any order; all converge and nothing is lost.

A state machine drives a real server. Each example does every action once, in random order, and then random ones.
JUPYTER_MCP_EXAMPLES sets how many are tried (1 by default, 3 with --slow), JUPYTER_MCP_STEPS how long each is.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pytest
from fastmcp.exceptions import ToolError
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from jupyter_ydoc import YNotebook

from tests.support.state_machines import run_machine

from .conftest import MakeServer, Server
from .person import in_room
from .test_crash import GONE
from .test_outside import eventually, on_disk
from .test_tools import call, fresh

EXAMPLES = int(os.environ.get("JUPYTER_MCP_EXAMPLES", "1"))
STEPS = int(os.environ.get("JUPYTER_MCP_STEPS", "15"))
PLACES = st.integers(min_value=0, max_value=30)
TABS = 2
ACTIONS = (
    "agent_inserts",
    "server_is_killed",
    "agent_and_then_editor_change_a_cell",
    "agent_runs",
    "agent_closes",
    "person_writes",
    "server_is_killed_while_an_editor_writes",
    "editor_writes",
    "agent_updates",
    "editor_and_then_agent_write",
    "tab_comes_or_goes",
    "agent_deletes",
    "time_passes",
)


def read_steadily(file: Path) -> tuple[dict[str, Any], int]:
    """Return the notebook in a file and the file's time stamp; Jupyter empties a file before it writes it."""
    while True:
        stamp = file.stat().st_mtime_ns
        with suppress(json.JSONDecodeError):
            return json.loads(file.read_text()), stamp
        time.sleep(0.05)


class Together(RuleBasedStateMachine):
    """Two tabs that come and go, two agents (one of each era), and an editor of the file."""

    server: ClassVar[Server]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.path = fresh()
        self.number = 0
        self.acknowledged: set[str] = set()
        self.tabs = [YNotebook() for _ in range(TABS)]
        self.connected: dict[int, AsyncExitStack] = {}
        self.agents: list[Any] = []
        self.stack = AsyncExitStack()

    def run(self, what: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            return await asyncio.wait_for(what, 120)

        return self.loop.run(bounded())

    def token(self, who: str) -> str:
        self.number += 1
        return f"'{who} {self.number}'"

    @initialize(order=st.permutations(ACTIONS))
    def open(self, order: list[str]) -> None:
        self.due = order

        async def start() -> None:
            await self.connect()
            await call(self.agents[0], "create_notebook", path=self.path)
            for _ in range(3):
                source = self.token("agent")
                await call(self.agents[0], "insert_cell", path=self.path, index=0, source=source)
                self.acknowledged.add(source)
            await self.enter(0)

        self.run(start())

    async def connect(self) -> None:
        clients = [self.server.client(mode=era) for era in ("auto", "legacy")]
        self.agents = [await self.stack.enter_async_context(client) for client in clients]

    async def enter(self, tab: int) -> None:
        """Open the notebook in a tab; one that had it brings its own copy, as a browser does."""
        stack = AsyncExitStack()
        await stack.enter_async_context(in_room(self.server, self.path, self.tabs[tab]))
        self.connected[tab] = stack

    async def cells(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await call(self.agents[0], "get_notebook", path=self.path))["cells"]
        return found

    @rule(data=st.data())
    def somebody_acts(self, data: st.DataObject) -> None:
        # Hypothesis would leave some rules out of each example.
        name = self.due.pop(0) if self.due else data.draw(st.sampled_from(ACTIONS))
        place = data.draw(PLACES)
        event(name)
        self.run(getattr(self, name)(data, place))

    async def agent_inserts(self, data: st.DataObject, place: int) -> None:
        source = self.token("agent")
        agent = self.agents[data.draw(st.integers(0, 1))]
        count = len(await self.cells())
        await call(agent, "insert_cell", path=self.path, index=place % (count + 1), source=source)
        self.acknowledged.add(source)

    async def agent_updates(self, _: st.DataObject, place: int) -> None:
        cells = await self.cells()
        await self.edit_same(cells[place % len(cells)]["id"])

    async def agent_deletes(self, _: st.DataObject, place: int) -> None:
        cells = await self.cells()
        if len(cells) < 4:
            return
        cell = cells[place % len(cells)]
        await call(self.agents[1], "delete_cell", path=self.path, cell_id=cell["id"])
        self.acknowledged.discard(cell["source"])

    async def agent_runs(self, _: st.DataObject, place: int) -> None:
        cells = [cell for cell in await self.cells() if cell["cell_type"] == "code" and cell["source"]]
        if not cells:
            return
        cell = cells[place % len(cells)]
        outputs = await call(self.agents[0], "execute_cell", path=self.path, cell_id=cell["id"])
        assert outputs[0]["content"]["data"]["text/plain"] == cell["source"]
        again = await call(self.agents[1], "get_cell", path=self.path, cell_id=cell["id"])
        assert again["outputs"][0]["data"]["text/plain"] == cell["source"]

    async def tab_comes_or_goes(self, _: st.DataObject, place: int) -> None:
        tab = place % TABS
        if tab in self.connected:
            await self.connected.pop(tab).aclose()
        else:
            await self.enter(tab)

    async def person_writes(self, _: st.DataObject, place: int) -> None:
        if not self.connected:
            await self.enter(place % TABS)
        tab = self.tabs[min(self.connected)]
        source = self.token("person")
        cell = nbformat.v4.new_code_cell(source, metadata={"trusted": True})
        tab.ycells.insert(place % (len(tab.ycells) + 1), tab.create_ycell(dict(cell)))
        self.acknowledged.add(source)
        await eventually(self.missing, set())

    async def editor_writes(self, data: st.DataObject, place: int) -> None:
        await self.write_outside(data.draw(st.sampled_from(("append", "delete", "change"))), place)
        await eventually(self.missing, set())

    async def editor_and_then_agent_write(self, data: st.DataObject, place: int) -> None:
        what = data.draw(st.sampled_from(("append", "delete", "change")))
        await self.edit_same(await self.write_outside(what, place))
        await eventually(self.missing, set())

    async def agent_and_then_editor_change_a_cell(self, _: st.DataObject, place: int) -> None:
        await self.write_outside("change", place, agent_first=True)
        await eventually(self.missing, set())

    async def missing(self) -> set[str]:
        return self.acknowledged - {cell["source"] for cell in await self.cells()}

    async def write_outside(self, what: str, place: int, *, agent_first: bool = False) -> str:
        """Change a cell of the file as an editor does, that an agent has just changed or not; gives its id."""
        file = self.server.folder / self.path
        await asyncio.sleep(0.05)  # a time stamp of its own
        fresh_cell = {**nbformat.v4.new_code_cell(), "source": []}
        cells = read_steadily(file)[0]["cells"]
        cell_id: str = cells[place % len(cells)]["id"]
        if what == "append" or (what == "delete" and len(cells) < 4):
            what, cell_id = "append", fresh_cell["id"]
        if agent_first:
            await self.edit_same(cell_id)
        theirs = self.token("file")
        while True:
            notebook, stamp = read_steadily(file)
            cell = next((one for one in notebook["cells"] if one["id"] == cell_id), None)
            if cell is None:
                cell = fresh_cell
                notebook["cells"].append(cell)
            old = "".join(cell["source"])
            if what == "delete":
                notebook["cells"].remove(cell)
            else:
                cell["source"] = [theirs]
            fresh_file = file.with_name(f"{file.name}.tmp")
            fresh_file.write_text(json.dumps(notebook))
            if read_steadily(file)[1] == stamp:
                break
        fresh_file.replace(file)
        self.acknowledged.discard(old)
        if what != "delete":
            self.acknowledged.add(theirs)
        return cell_id

    async def edit_same(self, cell_id: str) -> None:
        """Change the cell as it is now, or insert one if the notebook does not have it."""
        source = self.token("agent")
        while True:
            try:
                cell = await call(self.agents[0], "get_cell", path=self.path, cell_id=cell_id)
                options = {"cell_id": cell_id, "expected": cell["revision"], "source": source}
                await call(self.agents[0], "update_cell", path=self.path, **options)
            except ToolError as refused:
                if "No cell with id" not in str(refused):
                    continue  # the file's change came in between
                await call(self.agents[0], "insert_cell", path=self.path, index=0, source=source)
            else:
                self.acknowledged.discard(cell["source"])
            break
        self.acknowledged.add(source)

    async def server_is_killed(self, data: st.DataObject, place: int) -> None:
        """The agents' last edit is in the journal alone."""
        cells = await self.cells()
        await self.edit_same(cells[place % len(cells)]["id"])
        await asyncio.sleep(data.draw(st.sampled_from([0.0, 0.3, 0.6])))
        await self.crash()

    async def server_is_killed_while_an_editor_writes(self, data: st.DataObject, place: int) -> None:
        await self.write_outside("change", place, agent_first=True)
        await asyncio.sleep(data.draw(st.sampled_from([0.0, 0.1])))
        await self.crash()

    async def crash(self) -> None:
        tabs = list(self.connected)
        self.server.kill()
        for stack in (*self.connected.values(), self.stack):
            with suppress(*GONE):
                await stack.aclose()
        self.connected, self.stack = {}, AsyncExitStack()
        await asyncio.to_thread(self.server.start)
        await self.connect()
        for tab in tabs:
            await self.enter(tab)

    async def agent_closes(self, _: st.DataObject, __: int) -> None:
        """What the file holds when the tool has replied is what the document held."""
        await eventually(self.file_differs, wanted=False)  # what an editor wrote is in the document
        await self.agent_inserts(_, __)
        sources = [cell["source"] for cell in await self.cells()]
        await call(self.agents[0], "close_notebook_session", path=self.path)
        assert on_disk(self.server.folder / self.path) == sources

    async def file_differs(self) -> bool:
        file = await asyncio.to_thread(read_steadily, self.server.folder / self.path)
        return ["".join(cell["source"]) for cell in file[0]["cells"]] != [cell["source"] for cell in await self.cells()]

    async def time_passes(self, data: st.DataObject, _: int) -> None:
        await asyncio.sleep(data.draw(st.sampled_from([0.3, 1.3, 3.0])))

    @invariant()
    def nothing_acknowledged_is_lost_and_ids_are_unique(self) -> None:
        if not self.agents:
            return
        cells = self.run(self.cells())
        assert self.acknowledged <= {cell["source"] for cell in cells}
        ids = [cell["id"] for cell in cells]
        assert len(set(ids)) == len(ids)
        sources = [cell["source"] for cell in cells]
        assert len(set(sources)) == len(sources)

    @invariant()
    def everybody_sees_the_same(self) -> None:
        for number in self.connected:
            tab = self.tabs[number]

            async def differs(tab: YNotebook = tab) -> bool:
                return [str(cell["source"]) for cell in tab.ycells] != [cell["source"] for cell in await self.cells()]

            self.run(eventually(differs, wanted=False))

    def teardown(self) -> None:
        async def end() -> None:
            for stack in self.connected.values():
                await stack.aclose()
            if self.agents:
                await eventually(self.file_differs, wanted=False)
                sources = [cell["source"] for cell in await self.cells()]
                await call(self.agents[0], "close_notebook_session", path=self.path)
                assert on_disk(self.server.folder / self.path) == sources
            await self.stack.aclose()

        self.run(end())
        self.loop.close()


@pytest.mark.timeout(max(600, 60 * EXAMPLES))
@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(3, marks=pytest.mark.slow)])
def test_all_who_work_together_converge_and_lose_nothing(make_server: MakeServer, examples: int) -> None:
    options = ("--JupyterMCP.room_idle_timeout=1", "--YDocExtension.document_cleanup_delay=1")
    Together.server = make_server(options=options)
    run_machine(Together, examples, STEPS)
