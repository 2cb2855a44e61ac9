"""Agents in a soak: each edits, runs and reads in one notebook, and notes what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from fastmcp.exceptions import ToolError
from mcp.types import Implementation

from tests.live.conftest import Server
from tests.live.test_tools import call

from .ledger import Ledger

WITHIN = 120.0  # seconds in which every call must be answered, on a machine that does much besides
FAULT = "fault in this server"
_KEPT = 8  # cells of an agent
_NAMES = ("claude-code", "codex", "cursor")


class Gate:
    """Where agents wait while the server is down."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self.over = False  # the soak ends: agents are cancelled, which their clients tell in many ways

    async def passes(self) -> None:
        """Wait until it is open."""
        if not self.open.is_set():
            self.waiting += 1
            try:
                await self.open.wait()
            finally:
                self.waiting -= 1


class Agent:
    """One agent."""

    def __init__(self, number: int, server: Server, ledger: Ledger, gate: Gate, chance: random.Random) -> None:
        self.number, self.calls, self.refusals = number, Counter[str](), Counter[str]()
        self.broken: list[str] = []
        self._server, self._ledger, self._gate, self._chance = server, ledger, gate, chance
        self._own: list[str] = []
        self._made = 0

    async def work(self) -> None:
        """Work until the soak is over, through the deaths of the server."""
        while not self._gate.over:
            await self._gate.passes()
            try:
                async with AsyncExitStack() as stack:
                    era = "auto" if self.number % 2 else "legacy"
                    name = Implementation(name=_NAMES[self.number % len(_NAMES)], version="1")
                    client = await stack.enter_async_context(self._server.client(mode=era, client_info=name))
                    while self._gate.open.is_set():
                        await self._act(client)
                        await asyncio.sleep(self._chance.uniform(0.1, 1.0))
            except Exception as error:  # noqa: BLE001 - a client says in many ways that its server is gone
                if self._gate.open.is_set() and not self._gate.over:
                    self.broken.append(f"agent {self.number} met while the server was up: {error!r}"[:500])
            await asyncio.sleep(0.2)

    async def _act(self, client: Any) -> None:
        draw = self._chance.random()
        path = self._ledger.path
        if len(self._own) > _KEPT or (self._own and draw < 0.15):
            await self._delete(client, self._own[0])
        elif draw < 0.55 or not self._own:
            await self._insert(client)
        elif draw < 0.75:
            await self._ask(client, "execute_cell", path=path, cell_id=await self._id_of(client, self._own[-1]))
        elif draw < 0.8:
            await self._ask(client, "run_code", path=path, code="1 + 1")
        elif draw < 0.9:
            await self._ask(client, "get_notebook", path=path)
        else:
            await self._ask(client, "search_notebooks", pattern=f"mark-a{self.number}-")

    async def _insert(self, client: Any) -> None:
        self._made += 1
        mark = f"mark-a{self.number}-{self._made}"
        self._ledger.begins(mark)
        if await self._ask(client, "insert_cell", path=self._ledger.path, index=0, source=f"print('{mark}')"):
            self._ledger.came(mark)
            self._own.append(mark)

    async def _delete(self, client: Any, mark: str) -> None:
        cell_id = await self._id_of(client, mark)
        self._own.remove(mark)
        if cell_id is not None:
            self._ledger.begins(mark)
            if await self._ask(client, "delete_cell", path=self._ledger.path, cell_id=cell_id):
                self._ledger.went(mark)

    async def _id_of(self, client: Any, mark: str) -> str | None:
        found = await self._ask(client, "get_notebook", path=self._ledger.path)
        cells = found["cells"] if found else []
        return next((cell["id"] for cell in cells if f"'{mark}'" in cell["source"]), None)

    async def _ask(self, client: Any, tool: str, **arguments: Any) -> Any:
        """Call a tool; None if it was refused. Raises what shows that the server is gone."""
        if arguments.get("cell_id", "") is None:
            return None
        try:
            async with asyncio.timeout(WITHIN):
                found = await call(client, tool, **arguments)
        except TimeoutError:
            self.calls["unanswered"] += 1
            self.broken.append(f"agent {self.number}: {tool} was not answered in {WITHIN:g} s")
        except ToolError as error:
            self.calls["refused"] += 1
            self.refusals[_sort(str(error))] += 1
            if FAULT in str(error):
                self.broken.append(f"agent {self.number}: {tool}: {error}")
        except BaseException:
            self.calls["cut off"] += 1
            raise
        else:
            self.calls["done"] += 1
            return found if found is not None else {}
        return None


def _sort(text: str) -> str:
    """Return what sort of refusal it is, in few words."""
    for words in (
        "No space left", "database or disk is full", "died", "did not start", "journal", "is not saved", "No cell",
        "kernel", "could not be saved", "ports",
    ):  # fmt: skip
        if words in text:
            return words
    return text[:60]
