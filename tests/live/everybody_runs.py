"""What agents of the state machine run, and how that ends."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.support.notebook_model import line

from .everybody_base import Data, Machine

MOST_ASKED = 2  # runs that wait or go on, and another


class Runs(Machine):
    """Agents run cells, stop them, and end kernels."""

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

    async def chooses_a_kernel(self, _: Data, agent: int) -> None:
        told = await self.call(agent, "set_kernel", path=self.path, name="python3")
        assert told["path"] == self.path
