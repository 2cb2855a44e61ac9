"""A soak: the server, who uses it, and what happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from fastmcp.exceptions import ToolError

from tests.live.browser import CHROMIUM
from tests.live.conftest import Server
from tests.live.test_tools import call
from tests.support.small_disk import SmallDisk, small_disks

from .agents import WITHIN, Agent, Gate
from .judgement import Report, Sample
from .ledger import Ledger
from .people import Person, chromium

SAMPLE_EVERY = 5.0  # seconds
KERNEL_DIES_EVERY = 20.0
DISK_FULL_EVERY, DISK_FULL_FOR = 40.0, 6.0
AGENTS_OF_A_NOTEBOOK = 4
FEWEST_FREE = "48m"


@dataclass
class Settings:
    """How long a soak is, and who takes part."""

    minutes: float = 30
    agents: int = 20
    browsers: int = 5
    life: float = 120  # seconds from one kill of the server to the next; 0: it is not killed
    seed: int = 0
    keep: Path | None = None  # folder for what was on the disks at each kill
    full_every: float = DISK_FULL_EVERY  # seconds


class World:
    """All that takes part in a soak."""

    def __init__(self, settings: Settings, server: Server, disks: list[SmallDisk], report: Report) -> None:
        self.settings, self.server, self.disks, self.report = settings, server, disks, report
        self.chance = random.Random(settings.seed)  # noqa: S311 - a test's dice
        notebooks = max(1, settings.browsers, -(-settings.agents // AGENTS_OF_A_NOTEBOOK))
        self.ledgers = [Ledger(f"n{number}.ipynb") for number in range(notebooks)]
        self.gate = Gate()
        self.agents = [
            Agent(number, server, self.ledgers[number % notebooks], self.gate, random.Random(self.chance.random()))  # noqa: S311
            for number in range(settings.agents)
        ]
        self.people = [
            Person(number, server, self.ledgers[number], random.Random(self.chance.random()))  # noqa: S311 - likewise
            for number in range(settings.browsers)
        ]
        self.began = time.monotonic()
        self.up = True

    @property
    def seconds(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self.began

    async def run(self) -> None:
        """Let all of it happen, and look at what is left."""
        async with self.server.client() as client:
            for ledger in self.ledgers:
                await call(client, "create_notebook", path=ledger.path)
        async with contextlib.AsyncExitStack() as stack:
            browser = await stack.enter_async_context(chromium()) if self.people else None
            tasks = [asyncio.create_task(agent.work()) for agent in self.agents]
            tasks += [asyncio.create_task(person.work(browser)) for person in self.people]
            others = [asyncio.create_task(one()) for one in (self._sample, self._kill_kernels, self._fill_disks)]
            end = self.began + 60 * self.settings.minutes
            while (left := end - time.monotonic()) > 0:
                await self._live(min(left, self.settings.life or left), [*tasks, *others])
                if time.monotonic() < end:
                    await self._crash()
            await self._end([*tasks, *others])
        await self._crash(last=True)

    async def _live(self, seconds: float, tasks: list[asyncio.Task[None]]) -> None:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # none ends by itself

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        self.gate.over = True
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=30)
        for disk in self.disks:
            disk.free()

    async def _crash(self, *, last: bool = False) -> None:
        """Kill the server in the midst of calls, start it again, and look whether all is there."""
        self.server.kill()
        self.gate.open.clear()
        self.up = False
        if not last:
            async with asyncio.timeout(WITHIN + 60):
                while self.gate.waiting < len(self.agents):  # noqa: ASYNC110 - agents come as their calls end
                    await asyncio.sleep(0.05)
        for disk in self.disks:
            disk.free()
        if self.settings.keep is not None:
            await asyncio.to_thread(self._keep, self.settings.keep / f"life-{self.report.lives}")
        await asyncio.to_thread(self.server.start)
        self.report.lives += 1
        self.up = True
        when = f"after life {self.report.lives}, {self.seconds:.0f} s"
        await self._check(when)
        self._say(when)
        self.gate.open.set()
        if last:
            self.server.stop()
            for ledger in self.ledgers:
                cells = json.loads((self.folder / ledger.path).read_text())["cells"]
                self.report.lost += ledger.faults(
                    ("".join(cell["source"]) for cell in cells), "in the file, at the end"
                )

    def _keep(self, folder: Path) -> None:
        """Copy what the killed server left, and its log: so a failure can be looked at, and recovered once more."""
        for name, place in zip(("work", "journals"), (disk.seen for disk in self.disks), strict=False):
            shutil.copytree(place, folder / name, dirs_exist_ok=True)
        shutil.copy(self.server.home / "server.log", folder)

    def _say(self, when: str) -> None:
        """Tell who waits how far it is."""
        calls = sum(sum(agent.calls.values()) for agent in self.agents)
        edits = sum(ledger.acknowledged for ledger in self.ledgers)
        faults = len(self.report.lost) + len(self.report.broken) + sum(len(agent.broken) for agent in self.agents)
        sys.stderr.write(f"{when}: {calls} calls, {edits} edits acknowledged, {faults} faults\n")

    @property
    def folder(self) -> Path:
        """Where the notebooks are, as they are seen from outside."""
        return self.disks[0].seen if self.disks else self.server.folder

    async def _check(self, when: str) -> None:
        async with self.server.client() as client:
            for ledger in self.ledgers:
                try:
                    async with asyncio.timeout(WITHIN):
                        cells = (await call(client, "get_notebook", path=ledger.path))["cells"]
                except (ToolError, TimeoutError) as error:
                    self.report.broken.append(f"{ledger.path} can't be read {when}: {error or 'no answer'}")
                else:
                    self.report.lost += ledger.faults((cell["source"] for cell in cells), when)

    async def _sample(self) -> None:
        async with httpx.AsyncClient(headers=self.server.headers, timeout=60) as http:
            while True:
                await asyncio.sleep(SAMPLE_EVERY)
                life = self.report.lives
                with contextlib.suppress(httpx.HTTPError):
                    counts = (await http.get(f"{self.server.url}serverside/counts")).raise_for_status().json()
                    if life == self.report.lives:
                        told = {name: counts[name] for name in ("rss", "fds", "tasks", "threads")}
                        self.report.samples.append(
                            Sample(life, self.seconds, **told, journals=self._journals(), cells=self._cells())
                        )

    def _journals(self) -> int:
        folder = self.disks[1].seen if self.disks else self.server.home / "data" / "jupyter_mcp"
        return sum(1 for _ in folder.rglob("*.journal"))

    def _cells(self) -> int:
        return sum(len(ledger.present) + len(ledger.unsure) for ledger in self.ledgers)

    async def _kill_kernels(self) -> None:
        while True:
            await asyncio.sleep(KERNEL_DIES_EVERY * self.chance.uniform(0.5, 1.5))
            if self.up and (kernels := list(self._kernels())):
                with contextlib.suppress(psutil.Error):
                    self.chance.choice(kernels).send_signal(signal.SIGKILL)
                    self.report.kernels_killed += 1

    def _kernels(self) -> Iterator[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.server.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if any("ipykernel" in word for word in child.cmdline()):
                        yield child

    async def _fill_disks(self) -> None:
        while self.disks:
            await asyncio.sleep(self.settings.full_every * self.chance.uniform(0.5, 1.5))
            if self.up:
                disk = self.chance.choice(self.disks)
                await asyncio.to_thread(disk.fill)
                self.report.disks_filled += 1
                await asyncio.sleep(DISK_FULL_FOR)
                disk.free()

    def tell(self) -> None:
        """Put into the report what all have done."""
        report, calls, refusals = self.report, Counter[str](), Counter[str]()
        for agent in self.agents:
            calls += agent.calls
            refusals += agent.refusals
            report.broken += agent.broken
        report.calls, report.refusals = dict(calls), dict(refusals)
        report.acknowledged = sum(ledger.acknowledged for ledger in self.ledgers)
        report.persons_edits = sum(person.edits for person in self.people)
        report.reloads = sum(person.reloads for person in self.people)


@contextlib.asynccontextmanager
async def _made(settings: Settings, report: Report) -> AsyncIterator[World]:
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        work, journals, home = (place / name for name in ("work", "journals", "home"))
        for folder in (work, journals, home):
            folder.mkdir()
        disks: list[SmallDisk] = []
        prefix: tuple[str, ...] = ()
        try:
            small = stack.enter_context(small_disks(FEWEST_FREE, work, journals))
            disks, prefix = list(small.disks), small.inside(work)
        except pytest.skip.Exception as skipped:
            report.left_out.append(f"full disks: {skipped}")
        options = (f"--JupyterMCP.journal_dir={journals}", "--LabApp.expose_app_in_browser=True")
        server = Server(work, home, options=options, prefix=prefix)
        await asyncio.to_thread(server.start)
        world = World(settings, server, disks, report)
        try:
            yield world
        finally:
            world.tell()
            if server.process is not None and server.process.poll() is None:
                server.kill()


async def soak(settings: Settings) -> Report:
    """Run a soak; return what it has shown."""
    report = Report(
        minutes=settings.minutes,
        life=settings.life,
        seed=settings.seed,
        agents=settings.agents,
        load=os.getloadavg()[0],
    )
    if CHROMIUM is None:
        report.left_out.append("browsers: chromium is not installed")
        settings.browsers = 0
    report.browsers = settings.browsers
    try:
        async with _made(settings, report) as world:
            await world.run()
    except Exception as error:  # noqa: BLE001 - what there is to tell is told all the same
        report.broken.append(f"the soak ended early: {type(error).__name__}: {str(error)[-2000:]}")
    return report
