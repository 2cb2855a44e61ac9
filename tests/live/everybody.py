"""The state machine of two agents and a person in one notebook, who use every tool."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, ClassVar

import nbformat
import pytest
from fastmcp.exceptions import ToolError
from hypothesis import event, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from jupyter_ydoc import YNotebook
from mcp.types import Implementation
from playwright.async_api import Page

from tests.support.notebook_model import Model, line, texts, tokens, waits
from tests.support.plain_edits import RefusedError

from .browser import tab_on
from .conftest import Server
from .person import in_room
from .test_crash import GONE
from .test_tools import fresh

Data = st.DataObject
TYPES = ("code", "code", "code", "markdown", "raw")
EDITS = (
    "insert", "replace", "str_replace", "move", "split", "merge", "set_type", "clear_outputs", "set_metadata", "delete"
)  # fmt: skip
ACTIONS = (
    "inserts", "executes", "edits", "person_writes", "holds", "edits", "person_types", "runs_cells", "person_moves",
    "releases", "updates", "deletes", "restores", "undoes", "person_deletes", "holds", "edits", "stops", "reads",
    "runs_code", "edits_and_takes_it_back", "person_comes_back", "holds", "interrupts", "all_at_once",
    "looks_at_kernels", "watches", "restarts", "shuts_down", "chooses_a_kernel", "closes", "makes_another", "is_killed",
)  # fmt: skip
MOST_ASKED = 2  # runs that wait or go on, and another
WITHIN = 30.0  # seconds in which all must be the same


class Everybody(RuleBasedStateMachine):
    """Two agents (one of each era) and a person's tab."""

    server: ClassVar[Server]
    seconds: ClassVar[float] = float("inf")  # of an example: then nobody acts any more
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

    # Edits

    async def inserts(self, data: Data, agent: int) -> None:
        at = data.draw(st.integers(-1, len(self.model.cells)))
        source, kind = self.source("agent", data), data.draw(st.sampled_from(TYPES))
        before = self.model.cells[at]["id"] if 0 <= at < len(self.model.cells) else None
        place: dict[str, Any] = {"index": at}
        if before is not None and data.draw(st.booleans()):
            place = {"cell_id": before}
        told = await self.call(agent, "insert_cell", path=self.path, source=source, cell_type=kind, **place)
        assert "inserted" in str(told)
        edit = {"op": "insert", "source": source, "cell_type": kind}
        self.changed(agent, [edit if before is None else {**edit, "before": before}])

    async def updates(self, data: Data, agent: int) -> None:
        await self.has_code(agent)
        cell = data.draw(st.sampled_from(self.model.cells))
        source, kind = self.source("agent", data), data.draw(st.sampled_from((None, *TYPES)))
        extra = {} if kind is None else {"cell_type": kind}
        revision = (await self.call(agent, "get_cell", path=self.path, cell_id=cell["id"]))["revision"]
        await self.call(
            agent, "update_cell", path=self.path, cell_id=cell["id"], source=source, expected=revision, **extra
        )
        edits: list[dict[str, Any]] = [{"op": "replace", "cell_id": cell["id"], "source": source}]
        if kind is not None:
            edits.append({"op": "set_type", "cell_id": cell["id"], "cell_type": kind})
        self.changed(agent, edits)

    async def deletes(self, data: Data, agent: int) -> None:
        await self.has_code(agent)
        cell = data.draw(st.sampled_from(self.model.cells))
        index = self.model.cells.index(cell)
        place = data.draw(st.sampled_from(({"index": index}, {"cell_id": cell["id"]})))
        await self.call(agent, "delete_cell", path=self.path, **place)
        self.changed(agent, [{"op": "delete", "cell_id": cell["id"]}])

    def drawn_edit(self, data: Data) -> dict[str, Any]:
        op = data.draw(st.sampled_from(EDITS))
        ids = [cell["id"] for cell in self.model.cells] or ["none"]
        few = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True))
        one = few[0]
        place: dict[str, Any] = data.draw(st.sampled_from(({}, {"before": ids[-1]}, {"after": ids[0]}, {"after": one})))
        lines = self.model.tokens()
        self.number += 1
        old = data.draw(st.sampled_from(lines)) if lines else "nothing 0"
        made: dict[str, dict[str, Any]] = {
            "insert": {"source": self.source("agent", data), "cell_type": data.draw(st.sampled_from(TYPES)), **place},
            "replace": {"cell_id": one, "source": self.source("agent", data)},
            "str_replace": {"old": f"'{old}'", "new": f"'agent {self.number}'"},
            "move": {"cell_ids": few, **place},
            "split": {"cell_id": one, "line": data.draw(st.integers(1, 3))},
            "merge": {"cell_ids": few},
            "set_type": {"cell_ids": few, "cell_type": data.draw(st.sampled_from(TYPES))},
            "clear_outputs": data.draw(st.sampled_from(({}, {"cell_id": one}))),
            "set_metadata": {"cell_id": one, "metadata": {"note": data.draw(st.sampled_from((None, "a", "b")))}},
            "delete": {"cell_ids": few},
        }
        return {"op": op, **made[op]}

    async def edits(self, data: Data, agent: int) -> None:
        edits = [self.drawn_edit(data) for _ in range(data.draw(st.integers(1, 3)))]
        was = self.model.copy()
        try:
            self.changed(agent, edits)
        except RefusedError:
            assert self.model.notebook == was
            await self.refused(self.call(agent, "edit_notebook", path=self.path, edits=edits), "edit|cell")
        else:
            await self.call(agent, "edit_notebook", path=self.path, edits=edits)

    async def edits_and_takes_it_back(self, data: Data, agent: int) -> None:
        """Right after an edit, everything is as it was."""
        edits, was = [self.drawn_edit(data) for _ in range(data.draw(st.integers(1, 3)))], self.model.copy()
        try:
            self.model.edit(edits)
        except RefusedError:
            return
        self.model.notebook = was
        if self.model.queue:
            return  # a cell that runs is not taken away
        done = await self.call(agent, "edit_notebook", path=self.path, edits=edits)
        if "change" in done:
            await self.call(agent, "undo_edits", path=self.path, change=done["change"])

    async def undoes(self, data: Data, agent: int) -> None:
        """What others wrote since stays, and what the agent never touched."""
        count = data.draw(st.integers(1, 2))
        try:
            await self.call(agent, "undo_edits", path=self.path, count=count)
        except ToolError as error:
            note(str(error))
            return
        await self.take_over(agent, self.touched[agent])

    async def restores(self, data: Data, agent: int) -> None:
        if all(self.model.cell(one) is not None for one in self.deleted):
            await self.deletes(data, agent)
            await self.same()
        gone = [one for one in self.deleted if self.model.cell(one) is None]
        cell_id = data.draw(st.sampled_from(gone))
        try:
            await self.call(agent, "restore_cell", path=self.path, cell_id=cell_id)
        except ToolError as error:
            note(str(error))
            return
        found = {cell["id"]: cell for cell in await self.room()}
        doubled = set(tokens(found[cell_id]["source"])) & set(self.model.tokens())
        if doubled:  # a merge took its lines elsewhere: they are there twice, as was asked for
            await self.call(agent, "delete_cell", path=self.path, cell_id=cell_id)
            return
        await self.take_over(agent, {cell_id})

    async def take_over(self, agent: int, touched: set[str]) -> None:
        """Take what an undo made of the cells that it may change; all else stays."""
        before, found = self.model.copy()["cells"], await self.room()
        there = [cell["id"] for cell in found]
        stay = [cell for cell in before if cell["id"] not in touched]
        assert [cell["id"] for cell in stay] == [one for one in there if one in {cell["id"] for cell in stay}]
        theirs = {token for token in self.model.tokens() if token.startswith("person")}
        assert theirs <= {token for cell in found for token in tokens(cell["source"])}, "a person's line is gone"
        known = {cell["id"]: cell for cell in before}
        made = []
        for cell in found:
            if cell["id"] in known and cell["id"] not in touched:
                made.append(known[cell["id"]])
            else:
                assert cell["id"] in self.model.seen, f"{cell['id']} is new"
                kept = {"id", "cell_type", "source", "metadata"} | (
                    {"outputs"} if cell["cell_type"] == "code" else set()
                )
                made.append({key: cell.get(key) for key in kept})
                self.model.loose.add(cell["id"])
        self.deleted += [one for one in known if one not in there]
        self.model.notebook["cells"] = made
        self.made_by = agent
        self.touched[agent] |= touched

    # The person

    async def person_writes(self, data: Data, _: int) -> None:
        source, at = self.source("person", data), data.draw(st.integers(0, len(self.model.cells)))
        cell = nbformat.v4.new_code_cell(source, metadata={"trusted": True})
        self.tab.ycells.insert(at, self.tab.create_ycell(dict(cell)))
        cells = self.model.cells
        cells.insert(at, {"id": cell["id"], "cell_type": "code", "source": source, "metadata": {}, "outputs": []})
        self.model.seen.add(cell["id"])
        await self.arrives()

    async def person_types(self, data: Data, _: int) -> None:
        if (cell := self.some(data)) is None:
            return
        added = f"\n{self.source('person', data)}" if cell["source"] else self.source("person", data)
        await self.writes_in(self.model.cells.index(cell), added)
        cell["source"] += added
        await self.arrives()

    async def writes_in(self, at: int, added: str) -> None:
        """Write at the end of a cell."""
        text = self.tab.ycells[at]["source"]
        for part in (added[:5], added[5:]):
            text += part

    async def person_deletes(self, data: Data, _: int) -> None:
        if (cell := self.some(data)) is None:
            return
        del self.tab.ycells[self.model.cells.index(cell)]
        self.model.edit([{"op": "delete", "cell_id": cell["id"]}])
        await self.arrives()

    async def person_moves(self, data: Data, _: int) -> None:
        """As JupyterLab moves a cell: another shared one with the same content, of the same id."""
        if (cell := self.some(data)) is None or self.model.runs(cell["id"]):
            return
        at, to = self.model.cells.index(cell), data.draw(st.integers(0, len(self.model.cells) - 1))
        whole = self.tab.get_cell(at)
        with self.tab.ydoc.transaction():
            del self.tab.ycells[at]
            self.tab.ycells.insert(to, self.tab.create_ycell(whole))
        self.model.cells.remove(cell)
        self.model.cells.insert(to, cell)
        await self.arrives()

    async def arrives(self) -> None:
        """Wait until the server has what the person did."""
        await self.same()

    async def person_comes_back(self, _: Data, __: int) -> None:
        await self.tab_stack.aclose()
        await self.call(0, "get_active_users")
        await self.enter()

    # Runs

    async def executes(self, data: Data, agent: int) -> None:
        await self.frees(data, agent)
        cells = [one for one in self.model.cells if one["cell_type"] == "code" and one["source"]]
        cell = data.draw(st.sampled_from(cells))
        self.model.ask("", [cell["id"]])
        outputs = await self.call(agent, "execute_cell", path=self.path, cell_id=cell["id"])
        assert self.told(outputs) == cell["outputs"]
        for number, text in enumerate(cell["outputs"]):
            self.used.add("get_output")
            arguments = {"path": self.path, "cell_id": cell["id"], "output": number}
            content = (await self.agents[agent].call_tool("get_output", arguments)).content
            assert text.strip() in content[0].text

    async def frees(self, data: Data, agent: int) -> None:
        """Have nothing run, no cell wait, and a code cell that can be run."""
        await self.releases(data, agent)
        await self.has_code(agent)

    async def has_code(self, agent: int) -> None:
        """Have a code cell that holds something."""
        if not any(one["cell_type"] == "code" and one["source"] for one in self.model.cells):
            self.number += 1
            source = line(f"agent {self.number}", held=False)
            await self.call(agent, "insert_cell", path=self.path, index=-1, source=source)
            self.changed(agent, [{"op": "insert", "source": source, "cell_type": "code"}])
            await self.same()

    def told(self, outputs: list[dict[str, Any]]) -> list[str]:
        """Return an execute_cell's outputs in the words of `shown`."""
        return [
            one["content"]["text"] if one["type"] == "stream" else one["content"]["data"]["text/plain"]
            for one in outputs
        ]

    def drawn_run(self, data: Data) -> list[str]:
        code = [cell["id"] for cell in self.model.cells if cell["cell_type"] == "code"]
        return data.draw(st.lists(st.sampled_from(code), min_size=1, max_size=4, unique=True)) if code else []

    async def runs_cells(self, data: Data, agent: int) -> None:
        await self.frees(data, agent)
        ids, restart = self.drawn_run(data), data.draw(st.integers(0, 9)) == 0
        every = data.draw(st.booleans())
        if every:
            ids = [cell["id"] for cell in self.model.cells if cell["cell_type"] == "code"]
        chosen: dict[str, Any] = {} if every else {"cells": ids}
        told = await self.call(agent, "run_cells", path=self.path, restart=restart, wait=60, **chosen)
        assert told["state"] == "done", told
        self.model.ask(told["run"], ids)

    async def holds(self, data: Data, agent: int) -> None:
        """Begin a run that may come to a cell that waits; what is done next is done while it runs."""
        ids = self.drawn_run(data)
        if ids and len(self.model.queue) <= MOST_ASKED:
            await self.asks(agent, ids)

    async def busies(self, agent: int) -> None:
        """Have something run."""
        if self.model.queue:
            return
        self.number += 1
        edit = {"op": "insert", "source": line(f"agent {self.number}", held=True), "cell_type": "code"}
        await self.call(agent, "edit_notebook", path=self.path, edits=[edit])
        self.changed(agent, [edit])
        await self.same()
        await self.asks(agent, [self.model.cells[-1]["id"]])

    async def asks(self, agent: int, ids: list[str]) -> None:
        self.model.held = True
        self.go.unlink(missing_ok=True)
        told = await self.call(agent, "run_cells", path=self.path, cells=ids, wait=0)
        self.model.ask(told["run"], ids)
        await self.same()
        asked = next((one for one in self.model.queue if one.id == told["run"]), None)
        if asked is not None:
            state = await self.call(1 - agent, "get_run", run_id=told["run"], wait=0)
            assert state["state"] == ("running" if asked.running else "queued"), state

    async def releases(self, _: Data, agent: int) -> None:
        asked = [one.id for one in self.model.queue]
        self.model.held = False
        self.go.touch()
        self.model.advance()
        for run in asked:
            told = await self.call(agent, "get_run", run_id=run, wait=45)
            assert told["state"] in ("done", "error"), told
        self.model.loose |= {one for one in self.model.loose if self.model.cell(one)}

    async def stops(self, data: Data, agent: int) -> None:
        await self.busies(agent)
        asked = data.draw(st.sampled_from(self.model.queue))
        told = await self.call(agent, "stop_run", run_id=asked.id)
        assert told["state"] in ("interrupted", "skipped"), told
        self.model.stop(asked)

    async def interrupts(self, _: Data, agent: int) -> None:
        await self.busies(agent)
        await self.same()
        await self.call(agent, "interrupt_kernel", path=self.path)
        self.model.stop(self.model.queue[0])

    async def runs_code(self, data: Data, agent: int) -> None:
        self.number += 1
        if self.model.queue:
            await self.releases(data, agent)
        told = await self.call(agent, "run_code", path=self.path, code=f"'code {self.number}'")
        assert f"code {self.number}" in json.dumps(told)
        await self.call(agent, "list_variables", path=self.path)

    async def restarts(self, _: Data, agent: int) -> None:
        await self.ends_the_kernel(agent, "restart_kernel")

    async def shuts_down(self, _: Data, agent: int) -> None:
        await self.ends_the_kernel(agent, "shutdown_kernel")

    async def ends_the_kernel(self, agent: int, tool: str) -> None:
        try:
            await self.call(agent, tool, path=self.path)
        except ToolError as error:
            if "No kernel runs" not in str(error):
                raise
        self.model.drop_queue()

    async def chooses_a_kernel(self, _: Data, agent: int) -> None:
        told = await self.call(agent, "set_kernel", path=self.path, name="python3")
        assert told["path"] == self.path

    # Looking

    async def looks_at_kernels(self, _: Data, agent: int) -> None:
        await self.same()
        kernels = (await self.call(agent, "list_kernels"))["kernels"]
        runs = [
            one["run"] for kernel in kernels if kernel.get("notebook") == self.path for one in kernel.get("runs", [])
        ]
        assert runs == [asked.id for asked in self.model.queue]

    async def reads(self, data: Data, agent: int) -> None:
        folder = await self.call(agent, "list_notebooks", pattern=self.path)
        assert [one["path"] for one in folder] == [self.path]
        assert self.path in json.dumps(await self.call(agent, "list_files", pattern="*.ipynb", limit=1000))
        await self.call(agent, "get_context")
        assert any("notebook" in one["room_id"] for one in await self.call(agent, "get_active_sessions"))
        await self.has_code(agent)
        cell = data.draw(st.sampled_from([one for one in self.model.cells if one["source"]]))
        index = self.model.cells.index(cell)
        for place in ({"index": index}, {"cell_id": cell["id"]}):
            found = await self.call(agent, "get_cell", path=self.path, **place)
            assert (found["id"], found["source"], found["index"]) == (cell["id"], cell["source"], index)
        for token in tokens(cell["source"])[:1]:
            found = await self.call(agent, "search_notebooks", pattern=f"'{token}'")
            assert json.dumps(found).count(cell["id"]) == 1, found

    async def watches(self, data: Data, agent: int) -> None:
        """Who watches is told of what the other changes."""
        watching = asyncio.create_task(self.call(agent, "watch_notebook", path=self.path, timeout=30))
        await asyncio.sleep(0.3)
        await self.inserts(data, 1 - agent)
        assert await watching is not None

    async def closes(self, _: Data, agent: int) -> None:
        """The file holds what the room did; the room may go on."""
        await self.same()
        await self.call(agent, "close_notebook_session", path=self.path)
        found = json.loads((self.server.folder / self.path).read_text())["cells"]
        on_disk = [
            {**cell, "source": "".join(cell["source"]), "outputs": texts(cell.get("outputs") or [])} for cell in found
        ]
        assert not list(self.model.faults(on_disk))

    async def makes_another(self, _: Data, agent: int) -> None:
        await self.refused(self.call(agent, "create_notebook", path=self.path), "exists")
        other = fresh()
        await self.call(agent, "create_notebook", path=other)
        await self.call(1 - agent, "insert_cell", path=other, index=0, source="'other'")
        await self.call(agent, "close_notebook_session", path=other)
        (self.server.folder / other).unlink()

    # All at once

    async def all_at_once(self, data: Data, _: int) -> None:
        """Both agents and the person change a cell each, and one that runs is another."""
        if len(self.model.cells) < 4 or self.model.queue:
            return
        typed, updated, ahead, gone = data.draw(st.permutations(self.model.cells))[:4]
        news = [self.source("agent", data) for _ in range(2)]
        added = f"\n{self.source('person', data)}"
        text = self.tab.ycells[self.model.cells.index(typed)]["source"]

        async def types() -> None:
            for one in added:
                text.insert(len(text), one)
                await asyncio.sleep(0)

        await asyncio.gather(
            types(),
            self.call(0, "update_cell", path=self.path, cell_id=updated["id"], source=news[0]),
            self.call(1, "insert_cell", path=self.path, cell_id=ahead["id"], source=news[1]),
            self.call(1, "delete_cell", path=self.path, cell_id=gone["id"]),
        )
        typed["source"] += added
        self.changed(0, [{"op": "replace", "cell_id": updated["id"], "source": news[0]}])
        self.changed(1, [{"op": "insert", "before": ahead["id"], "source": news[1]}])
        self.changed(1, [{"op": "delete", "cell_id": gone["id"]}])

    async def is_killed(self, data: Data, agent: int) -> None:
        """The last edit is in the journal alone."""
        await self.same()
        await self.inserts(data, agent)
        await self.same()
        await asyncio.sleep(data.draw(st.sampled_from([0.0, 0.3])))
        self.server.kill()
        for stack in (self.tab_stack, self.stack):
            with suppress(*GONE):
                await stack.aclose()
        self.stack = AsyncExitStack()
        await asyncio.to_thread(self.server.start)
        await self.connect()
        await self.enter()
        self.model.drop_queue()
        self.model.over.clear()
        self.touched, self.deleted = [set(), set()], []
        for cell in self.model.cells:
            if waits(cell["source"]):
                self.model.loose.add(cell["id"])


class InABrowser(Everybody):
    """The same, and the person also has the notebook open in Chromium, and types there."""

    page: Page

    async def enter(self) -> None:
        await super().enter()
        self.page = await self.tab_stack.enter_async_context(tab_on(self.server, self.path))
        await self.page.wait_for_function(f"() => {_SHARED}.cells.length > 0")

    async def persons_faults(self) -> list[str]:
        cells = await self.page.evaluate(f"() => {_SHARED}.toJSON().cells")
        shown = [
            {**cell, "source": "".join(cell["source"]), "outputs": texts(cell.get("outputs") or [])} for cell in cells
        ]
        return [*await super().persons_faults(), *(f"in Chromium: {one}" for one in self.model.faults(shown))]

    async def writes_in(self, at: int, added: str) -> None:
        await self.page.evaluate(
            "at => { const content = jupyterapp.shell.currentWidget.content; content.activeCellIndex = at;"
            " content.mode = 'edit'; content.activeCell.editor.focus() }",
            at,
        )
        await self.page.keyboard.press("Control+End")
        await self.page.keyboard.insert_text(added)


_SHARED = "jupyterapp.shell.currentWidget.content.model.sharedModel"
