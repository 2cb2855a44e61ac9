"""`kill -9` at a random moment while something else is wrong: nothing acknowledged lost or doubled, the others served.

JUPYTER_MCP_CRASH_ROUNDS sets the rounds: 200 is the full measure, 3 the default. JUPYTER_MCP_CRASH_SEED repeats a run.
JUPYTER_MCP_CRASH_REPORT names a file that gets a line for each round.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from fastmcp.exceptions import ToolError
from jupyter_ydoc import YNotebook

from tests.support.bad_neighbours import POISONED, UNREADABLE, replace, spoil
from tests.support.small_disk import SmallDisk, small_disks

from .conftest import MakeServer, Server
from .person import in_room
from .test_crash import GONE, REPORT, ROUNDS, output_of
from .test_tools import call

FAULTS = ("full workspace", "full journal", "outside write", "poisoned neighbour", "unreadable neighbour", "nothing")
KINDS = ("insert", "run", "update", "delete")
WITHIN = 90.0  # seconds in which every call must be answered, on a machine that does much besides
FULL = ("No space left on device", "database or disk is full")  # what the system, or SQLite, says
CALM = "calm.ipynb"  # nobody edits it: it is served whatever is wrong
VICTIM = "victim.ipynb"
AGES = {"now": 0.0, "an hour ago": -3600.0, "1970": -1e12, "tomorrow": 86400.0, "as before": None}


@dataclass
class Expected:
    """What a notebook holds: the sources that were acknowledged in order, and those that may be there or not."""

    path: str
    sources: list[str] = field(default_factory=lambda: [""])
    outputs: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)

    def check(self, cells: list[dict[str, Any]], said: str) -> None:
        """Compare with what is there; what was unsure is known from then on."""
        found = [cell["source"] for cell in cells]
        assert len(set(found)) == len(found), f"doubled; {said}"
        assert len({cell["id"] for cell in cells}) == len(cells), f"doubled ids; {said}"
        assert [source for source in found if source in self.sources] == self.sources, f"lost; {said}"
        assert self.outside <= set(found), f"lost what was written outside; {said}"
        assert set(found) <= {*self.sources, *self.unsure, *self.outside}, f"came back; {said}"
        ran = {cell["source"]: output_of(cell) for cell in cells}
        assert {source: ran[source] for source in self.outputs} == self.outputs, f"lost outputs; {said}"
        self.sources = found
        self.unsure.clear()
        self.outside.clear()


async def asked(client: Any, tool: str, **arguments: Any) -> Any:
    """Call a tool that must answer in time, with a result or an error."""
    async with asyncio.timeout(WITHIN):
        return await call(client, tool, **arguments)


async def edit(client: Any, notebook: Expected, number: int, kind: str) -> None:
    """Make an edit that must be acknowledged."""
    path = notebook.path
    source = f"print('{path}', {number})"
    if kind == "update" and len(notebook.sources) > 1:
        await asked(client, "update_cell", path=path, index=-1, source=source)
        notebook.outputs.pop(notebook.sources[-1], None)
        notebook.sources[-1] = source
    elif kind == "delete" and len(notebook.sources) > 5:
        await asked(client, "delete_cell", path=path, index=1)
        notebook.outputs.pop(notebook.sources.pop(1), None)
    else:
        await asked(client, "insert_cell", path=path, index=-1, source=source)
        notebook.sources.append(source)
    if kind == "run":
        try:
            await asked(client, "execute_cell", path=path, index=-1)
        except ToolError:  # another program may have taken a port of the kernel's before it did; the next has others
            await asked(client, "execute_cell", path=path, index=-1)
        notebook.outputs[notebook.sources[-1]] = f"{path} {number}\n"


async def try_to_insert(client: Any, notebook: Expected, source: str) -> None:
    """Insert a cell, or be refused with a reason; only the server's end leaves open what became of it."""
    notebook.unsure.add(source)
    with contextlib.suppress(ToolError):
        await asked(client, "insert_cell", path=notebook.path, index=-1, source=source)
        notebook.unsure.discard(source)
        notebook.sources.append(source)


async def served(client: Any) -> None:
    """Look whether the others are served: one that nobody edits is read whatever is wrong."""
    cells = (await asked(client, "get_notebook", path=CALM))["cells"]
    assert [cell["source"] for cell in cells] == ["calm"]


def write_outside(file: Path, notebook: Expected, source: str, age: float | None, *, in_place: bool) -> None:
    """Add a cell to the file as another program does, which leaves the time stamp that it likes."""
    before = file.stat().st_mtime
    content = json.loads(file.read_text())
    content["cells"].insert(0, nbformat.v4.new_code_cell(source))
    target = file if in_place else file.with_suffix(".tmp")
    target.write_text(json.dumps(content))
    moment = before if age is None else max(0.0, time.time() + age)
    os.utime(target, (moment, moment))
    target.replace(file)
    notebook.outside.add(source)


def on_disk(file: Path) -> list[str]:
    try:
        return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
    except ValueError:
        return []  # it is being written


class Round:
    """One round: an edit, a fault, more edits, the crash, the start, and what is there then."""

    def __init__(self, chance: random.Random, number: int, fault: str) -> None:
        self.number, self.fault, self._chance = number, fault, chance
        self.kind = chance.choice(KINDS)
        self.wait = chance.uniform(0, 2)
        self.tab = chance.random() < 0.5
        self.while_down = chance.random() < 0.5
        # A disk that is full only while the server is down would be no fault.
        self.healed_late = chance.random() < 0.5 or self.while_down
        self.age = chance.choice(list(AGES))
        self.in_place = chance.random() < 0.5
        self.how = chance.choice(list(POISONED if fault == "poisoned neighbour" else UNREADABLE))
        self.spoils = chance.choice((0.0, 0.5, 0.9, None, None))

    def __str__(self) -> str:
        details = {
            "full workspace": f"healed {'after' if self.healed_late else 'before'} the start",
            "full journal": f"healed {'after' if self.healed_late else 'before'} the start",
            "outside write": f"{self.age}, {'in place' if self.in_place else 'replaced'}",
            "poisoned neighbour": f"{self.how}, its journal spoilt from {self.spoils}",
            "unreadable neighbour": self.how,
        }
        when = "while it is down" if self.while_down else "before the kill"
        return (
            f"round {self.number}: {self.fault} ({details.get(self.fault, '')}) {when}, {self.kind}, "
            f"killed after {self.wait:.2f} s, {'with' if self.tab else 'without'} a tab"
        )


class World:
    """The server, its two small disks, and the notebooks in them."""

    def __init__(self, server: Server, work: SmallDisk, journals: SmallDisk) -> None:
        self.server, self.work, self.journals = server, work, journals
        self.main, self.other = Expected("main.ipynb"), Expected("other.ipynb")
        self.tab = YNotebook()

    def seen(self, path: str) -> Path:
        return self.work.seen / path

    def journal_files(self) -> set[Path]:
        return set(self.journals.seen.rglob("*.journal"))

    async def begin(self) -> None:
        async with self.server.client() as client:
            for notebook in (self.main, self.other):
                await asked(client, "create_notebook", path=notebook.path)
            await asked(client, "create_notebook", path=CALM)
            await asked(client, "update_cell", path=CALM, index=0, source="calm")
            await asked(client, "close_notebook_session", path=CALM)

    async def break_something(self, one: Round, client: Any | None) -> None:
        """Let the round's fault happen."""
        if one.fault == "full workspace":
            self.work.fill()
        elif one.fault == "full journal":
            self.journals.fill()
        elif one.fault == "outside write":
            file = self.seen(self.main.path)
            if client is not None:  # else it would undo what is not saved yet, as it may
                async with asyncio.timeout(WITHIN):
                    while on_disk(file) != self.main.sources:  # noqa: ASYNC110 - a file tells nobody
                        await asyncio.sleep(0.1)
            source = f"'outside', {one.number}"
            if on_disk(file):
                write_outside(file, self.main, source, AGES[one.age], in_place=one.in_place)
        elif one.fault.endswith("neighbour"):
            replace(self.seen(VICTIM), {**POISONED, **UNREADABLE}[one.how])

    async def edit_victim(self, one: Round, client: Any) -> set[Path]:
        """Make edits of the neighbour that are in its journal alone; return the journal."""
        before = self.journal_files()
        replace(self.seen(VICTIM), POISONED["NaN"])
        with contextlib.suppress(ToolError):  # its room may still be that of what was there before
            await asked(client, "insert_cell", path=VICTIM, index=-1, source=f"'victim', {one.number}")
        return self.journal_files() - before

    async def live(self, one: Round) -> set[Path]:
        """Edit, let the fault happen, edit on, kill; return the victim's journal."""
        journals: set[Path] = set()
        async with contextlib.AsyncExitStack() as stack:
            if one.tab:
                await stack.enter_async_context(in_room(self.server, self.main.path, self.tab))
            client = await stack.enter_async_context(self.server.client())
            await edit(client, self.main, one.number, one.kind)
            if one.fault == "poisoned neighbour":
                journals = await self.edit_victim(one, client)
            if not one.while_down:
                await self.break_something(one, client)
                await try_to_insert(client, self.main, f"'amid', {one.number}")
                await try_to_insert(client, self.other, f"'amid', {one.number}")
                for tool, more in (("get_notebook", {}), ("insert_cell", {"index": 0, "source": "1"})):
                    with contextlib.suppress(ToolError):
                        await asked(client, tool, path=VICTIM, **more)
            else:
                await edit(client, self.other, one.number, "insert")
            end = time.monotonic() + one.wait
            await served(client)
            while time.monotonic() < end:
                await served(client)
                await asyncio.sleep(0.2)
            self.server.kill()
        return journals

    async def look(self, one: Round) -> None:
        """Look at the notebooks while what is wrong still is: they are right, or say why they can't be had yet."""
        async with self.server.client() as client:
            await served(client)
            for notebook in (self.main, self.other):
                try:
                    cells = (await asked(client, "get_notebook", path=notebook.path))["cells"]
                except ToolError as error:
                    if one.fault != "full workspace" or not any(said in str(error) for said in FULL):
                        raise
                else:
                    notebook.check(cells, f"{one}, not healed")
                await try_to_insert(client, notebook, f"'not healed', {one.number}")
            await served(client)

    async def check(self, one: Round) -> None:
        """Look at the notebooks when all is well again."""
        async with self.server.client() as client:
            await served(client)
            for notebook in (self.main, self.other):
                await asked(client, "open_notebook_session", path=notebook.path)
                notebook.check((await asked(client, "get_notebook", path=notebook.path))["cells"], str(one))
            if one.tab:
                async with in_room(self.server, self.main.path, self.tab):
                    cells = (await asked(client, "get_notebook", path=self.main.path))["cells"]
                    assert [str(cell["source"]) for cell in self.tab.ycells] == [c["source"] for c in cells], str(one)
                self.main.check(cells, f"{one}, and the tab came back")

    def crash(self, one: Round) -> None:
        """Run a round."""
        with contextlib.suppress(*GONE):
            victims = asyncio.run(self.live(one))
        assert self.server.process is not None
        assert self.server.process.poll() is not None, f"{one}: it did not come to the kill"
        if one.while_down:
            asyncio.run(self.break_something(one, None))
        if one.fault == "poisoned neighbour" and one.spoils is not None:
            for journal in victims:
                spoil(journal, one.spoils)
        if not one.healed_late:
            self.heal()
        self.server.start()
        if one.healed_late:
            asyncio.run(self.look(one))
            self.heal()
        asyncio.run(self.check(one))

    def heal(self) -> None:
        self.work.free()
        self.journals.free()


@pytest.fixture
def world(make_server: MakeServer, tmp_path: Path) -> Iterator[World]:
    folders = (tmp_path / "work", tmp_path / "journals")
    for folder in folders:
        folder.mkdir()
    with small_disks("24m", *folders) as disks:
        work, journals = disks.disks
        options = (f"--JupyterMCP.journal_dir={journals.folder}",)
        server = make_server(folder=work.folder, prefix=disks.inside(work.folder), options=options)
        yield World(server, work, journals)
        server.stop()


@pytest.mark.timeout(max(900, 120 * ROUNDS))
def test_nothing_acknowledged_is_lost_and_the_others_are_served_whatever_else_fails(world: World) -> None:
    seed = int(os.environ.get("JUPYTER_MCP_CRASH_SEED", "0")) or secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    asyncio.run(world.begin())
    faults: list[str] = []
    for number in range(ROUNDS):
        if not faults:
            faults = chance.sample(FAULTS, len(FAULTS))
        one = Round(chance, number, faults.pop())
        try:
            world.crash(one)
        except BaseException as error:
            error.add_note(f"{one}, seed {seed}\n{world.server.log[-4000:]}")
            raise
        if REPORT:
            with Path(REPORT).open("a") as report:
                report.write(f"{one}: {len(world.main.sources)} and {len(world.other.sources)} cells, seed {seed}\n")
