"""What agents and the person of the state machine write, and take back."""

from __future__ import annotations

from typing import Any

import nbformat
from fastmcp.exceptions import ToolError
from hypothesis import note
from hypothesis import strategies as st

from tests.support.notebook_model import tokens
from tests.support.plain_edits import RefusedError

from .everybody_base import Data, Machine

TYPES = ("code", "code", "code", "markdown", "raw")
EDITS = (
    "insert", "replace", "str_replace", "move", "split", "merge", "set_type", "clear_outputs", "set_metadata", "delete"
)  # fmt: skip


class AgentsEdits(Machine):
    """Agents insert, change and delete cells, and take that back."""

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
        empty, self.model.notebook = not self.model.cells, was
        if self.model.queue or (self.fills and empty):
            return  # a cell that runs is not taken away, and what somebody else puts in stays
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
        if self.fills and len(found) == 1 and found[0]["id"] not in self.model.seen:
            found = []  # the undo left none
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


class PersonsEdits(Machine):
    """The person types, moves and deletes cells in a tab that goes and comes."""

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
