"""Two agents and a person in one notebook, of which the model knows what it must hold; what they do is elsewhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import pytest
from fastmcp.exceptions import ToolError
from hypothesis import event, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from jupyter_ydoc import YNotebook
from mcp.types import Implementation

from tests.support.notebook_model import Model, line, texts

from .conftest import Server
from .person import in_room
from .test_tools import fresh

Data = st.DataObject
ACTIONS = (
    "inserts", "executes", "edits", "person_writes", "holds", "edits", "person_types", "runs_cells", "person_moves",
    "releases", "updates", "deletes", "restores", "undoes", "person_deletes", "holds", "edits", "stops", "reads",
    "runs_code", "edits_and_takes_it_back", "person_comes_back", "holds", "interrupts", "all_at_once",
    "looks_at_kernels", "watches", "restarts", "shuts_down", "chooses_a_kernel", "closes", "makes_another", "is_killed",
)  # fmt: skip
WITHIN = 30.0  # seconds in which all must be the same


class Machine(RuleBasedStateMachine):
    """Two agents (one of each era) and a person's tab."""

    server: ClassVar[Server]
    seconds: ClassVar[float] = float("inf")  # of an example: then nobody acts any more
    fills: ClassVar[bool] = False  # whether somebody puts a cell into a notebook that has none, as JupyterLab does
    used: ClassVar[set[str]]
    offered: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.path = fresh()
        self.ends = time.monotonic() + self.seconds
        self.number = 0
        self.model = Model()
        self.tab = YNotebook()
        self.tab_stack = AsyncExitStack()
        self.stack = AsyncExitStack()
        self.agents: list[Any] = []
        self.touched: list[set[str]] = [set(), set()]  # cells that an agent changed, for what it may take back
        self.deleted: list[str] = []  # cells that agents deleted since the server started
        self.due: list[str] = []
        self.made_by = 0  # the agent that made the last change

    # What all do

    def run(self, what: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            return await asyncio.wait_for(what, 120)

        return self.loop.run(bounded())

    async def call(self, agent: int, tool: str, **arguments: Any) -> Any:
        note(f"agent {agent}: {tool} {json.dumps(arguments)}")
        self.used.add(tool)
        content = (await self.agents[agent].call_tool(tool, arguments)).structured_content
        return content.get("result", content) if content is not None else None

    def source(self, who: str, data: Data) -> str:
        lines = []
        for _ in range(data.draw(st.integers(1, 3))):
            self.number += 1
            lines.append(line(f"{who} {self.number}", held=data.draw(st.integers(0, 3)) == 0))
        return "\n".join(lines)

    @property
    def go(self) -> Any:
        return self.server.folder / "go"

    def some(self, data: Data, *, code: bool = False) -> dict[str, Any] | None:
        """Return one of the cells, or of the code cells."""
        cells = [cell for cell in self.model.cells if cell["cell_type"] == "code" or not code]
        return data.draw(st.sampled_from(cells)) if cells else None

    def changed(self, agent: int, edits: list[dict[str, Any]]) -> None:
        """Note that an agent has made these edits."""
        before = {cell["id"]: cell for cell in self.model.copy()["cells"]}
        order = list(before)
        self.model.edit(edits)
        after = {cell["id"]: cell for cell in self.model.cells}
        self.deleted += [one for one in before if one not in after]
        changed = {one for one in before if before[one] != after.get(one)}
        moved = (
            set(order) if [one for one in after if one in before] != [one for one in order if one in after] else set()
        )
        self.touched[agent] |= changed | moved
        self.made_by = agent

    async def room(self, agent: int = 0) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = (await self.call(agent, "get_notebook", path=self.path, outputs="full"))["cells"]
        return [{**cell, "outputs": texts(cell.get("outputs") or [])} for cell in cells]

    async def same(self) -> None:
        """Wait until the room, the person's copy and the model are the same."""
        over, self.model.over = self.model.over, []
        for run in filter(None, over):
            told = await self.call(self.number % 2, "get_run", run_id=run, wait=45)
            assert told["state"] not in ("running", "queued"), told
        if self.fills and not self.model.cells:
            self.model.cells.append({"id": "", "cell_type": "code", "source": "", "metadata": {}, "outputs": []})
        deadline = time.monotonic() + WITHIN
        while faults := [
            *(f"in the room: {one}" for one in self.model.faults(await self.room(self.number % 2))),
            *await self.persons_faults(),
        ]:
            assert time.monotonic() < deadline, "\n".join(faults)
            await asyncio.sleep(0.02)
        before = {cell["id"] for cell in self.model.cells}
        self.model.take(await self.room())
        for cell in self.model.cells:
            if cell["id"] not in before:
                self.touched[self.made_by].add(cell["id"])
        lines = self.model.tokens()
        assert len(lines) == len(set(lines)), sorted(one for one in lines if lines.count(one) > 1)

    async def persons_faults(self) -> list[str]:
        """Return what is wrong in the person's copy."""
        cells = [self.tab.get_cell(at) for at in range(len(self.tab.ycells))]
        copy = [{**cell, "outputs": texts(cell.get("outputs") or [])} for cell in cells]
        return [f"in the person's copy: {one}" for one in self.model.faults(copy)]

    async def refused(self, calling: Awaitable[Any], words: str) -> None:
        with pytest.raises(ToolError, match=words):
            await calling

    # The beginning and the end

    @initialize(order=st.permutations(ACTIONS))
    def begins(self, order: list[str]) -> None:
        self.due = order
        self.go.touch()

        async def start() -> None:
            await self.connect()
            made = await self.call(0, "create_notebook", path=self.path)
            assert made["path"] == self.path
            await self.call(1, "open_notebook_session", path=self.path)
            self.model.notebook["cells"] = [
                {"id": cell["id"], "cell_type": "code", "source": "", "metadata": {}, "outputs": []}
                for cell in await self.room()
            ]
            self.model.take(await self.room())
            await self.enter()

        self.run(start())

    async def connect(self) -> None:
        self.agents = [
            await self.stack.enter_async_context(
                self.server.client(mode=era, client_info=Implementation(name=f"agent {number}", version="1"))
            )
            for number, era in enumerate(("auto", "legacy"))
        ]
        type(self).offered = {tool.name for tool in await self.agents[0].list_tools()}

    async def enter(self) -> None:
        self.tab_stack = AsyncExitStack()
        await self.tab_stack.enter_async_context(in_room(self.server, self.path, self.tab))

    @rule(data=st.data())
    def somebody_acts(self, data: Data) -> None:
        if time.monotonic() > self.ends:
            return
        # Hypothesis would leave some rules out of each example.
        name = self.due.pop(0) if self.due else data.draw(st.sampled_from(ACTIONS))
        event(name)
        act: Callable[[Data, int], Awaitable[None]] = getattr(self, name)
        note(f"-- {name}")
        self.run(act(data, data.draw(st.integers(0, 1))))

    @invariant()
    def all_see_what_must_be(self) -> None:
        if self.agents and time.monotonic() < self.ends:
            self.run(self.same())

    def teardown(self) -> None:
        async def end() -> None:
            self.go.touch()
            await self.tab_stack.aclose()
            if self.agents:
                await self.ends_the_kernel(0, "shutdown_kernel")
            await self.stack.aclose()

        self.run(end())
        self.loop.close()

    # What several acts need

    async def has_code(self, agent: int) -> None:
        """Have a code cell that holds something."""
        if not any(one["cell_type"] == "code" and one["source"] for one in self.model.cells):
            self.number += 1
            source = line(f"agent {self.number}", held=False)
            await self.call(agent, "insert_cell", path=self.path, index=-1, source=source)
            self.changed(agent, [{"op": "insert", "source": source, "cell_type": "code"}])
            await self.same()

    async def ends_the_kernel(self, agent: int, tool: str) -> None:
        try:
            await self.call(agent, tool, path=self.path)
        except ToolError as error:
            if "No kernel runs" not in str(error):
                raise
        self.model.drop_queue()
