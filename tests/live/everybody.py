"""The state machine of two agents and a person in one notebook, who use every tool."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress

from hypothesis import strategies as st
from playwright.async_api import Page

from tests.support.notebook_model import texts, tokens, waits

from .browser import tab_on
from .everybody_base import Data
from .everybody_edits import AgentsEdits, PersonsEdits
from .everybody_runs import Runs
from .test_crash import GONE
from .test_tools import fresh


class Everybody(AgentsEdits, PersonsEdits, Runs):
    """Two agents (one of each era) and a person's tab."""

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
    fills = True

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
