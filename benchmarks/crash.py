"""Whether an insert that was acknowledged survives `kill -9` of the server, with a viewer in the room."""

from __future__ import annotations

import asyncio

from .notebooks import write
from .samples import Results
from .subjects import Cell, Subject
from .viewer import watching

MEASURE = "crash"
START = 10  # cells
WAITS = (0.0, 0.5)  # seconds between the reply and the kill
SETTLE = 3.0  # seconds before the insert, so that what came before is saved


async def measure(subjects: list[Subject], results: Results, rounds: int) -> None:
    """Count the lost and the doubled inserts; restarts every subject's server `rounds` times for each wait."""
    for wait in WAITS:
        for number in range(rounds):
            await asyncio.gather(*(_once(subject, results, wait, number) for subject in subjects))


async def _once(subject: Subject, results: Results, wait: float, number: int) -> None:
    path = write(subject.server.root, f"crash-{wait}-{number}.ipynb", START)
    source = f"acknowledged = {number}"
    async with watching(subject.server, path):
        agent = await subject.agent(path)
        await asyncio.sleep(SETTLE)
        call = subject.insert(Cell(path, START // 2), source)
        await agent.call(call.tool, call.arguments)
        await asyncio.sleep(wait)
        subject.server.kill()
        await agent.close()
    await subject.server.start()
    async with watching(subject.server, path) as view:
        sources = [str(cell["source"]) for cell in view.ycells]
    kept = sources.count(source)
    _count(results, f"lost, killed {wait:g} s after the reply", subject.name, kept == 0)
    _count(results, "doubled", subject.name, kept > 1 or len(sources) > START + 1)


def _count(results: Results, what: str, subject: str, happened: bool) -> None:
    series = results.series(MEASURE, what, subject, unit="edits")
    tries = series.tries + 1
    series.values = [(series.values[0] if series.values else 0.0) + happened]
    series.tries, series.note = tries, f"of {tries}"
