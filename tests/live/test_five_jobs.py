"""Five jobs through tools alone: few calls, few characters, no trick, and a page that shows them as they are."""

from __future__ import annotations

import asyncio
import re
from itertools import groupby
from pathlib import Path

import nbformat
import pytest

from tests.support.five_jobs import (
    JOBS,
    LONG,
    MOST_CALLS,
    MOST_CHARACTERS,
    PLOT,
    REPORT,
    SALES,
    STUBBORN,
    Agent,
    do_all,
    write_notebooks,
)

from .conftest import MakeServer

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "five-jobs-of-an-agent.md"


def tools_of(names: list[str]) -> list[str]:
    """Return the tools in their order; how often one is asked while a kernel starts is the machine's."""
    return [name for name, _ in groupby(names)]


@pytest.mark.parametrize("era", ["auto", pytest.param("legacy", marks=pytest.mark.slow)])
def test_an_agent_does_the_five_jobs_in_few_calls_and_characters(make_server: MakeServer, era: str) -> None:
    server = make_server()
    write_notebooks(server.folder)

    async def job() -> Agent:
        async with server.client(mode=era) as client:
            agent = await do_all(client)
            for name in (SALES, PLOT, LONG, STUBBORN, REPORT):  # saved at once, not a second after the last output
                await client.call_tool("close_notebook_session", {"path": name})
            return agent

    agent = asyncio.run(job())
    told = "\n".join(f"{call.tool}: {call.seen}" for call in agent.calls)
    assert len(agent.calls) <= MOST_CALLS, told
    assert agent.characters <= MOST_CHARACTERS, f"tools/list: {agent.listed}\n{told}"

    made = {name: nbformat.read(server.folder / name, 4).cells for name in (SALES, PLOT, LONG, STUBBORN, REPORT)}
    assert made[SALES][-1].outputs[0].data["text/plain"] == "10530.0"
    assert len(made[SALES]) == 67
    assert [cell.cell_type for cell in made[PLOT]] == ["markdown", "code"]
    assert [cell.cell_type for cell in made[LONG]] == ["code", "code", "markdown"]
    assert "KeyboardInterrupt" not in str(made[STUBBORN][1].outputs)
    report = [cell.source for cell in made[REPORT]]
    assert len(report) == 33
    assert report[2:5] == [
        "mean = sum(data) / len(data)",
        "spread = max(data) - min(data)",
        "low, high = min(data), max(data)",
    ]
    assert not re.search(r"\b[dm]\b|scratch", "\n".join(report))

    page = PAGE.read_text()
    for title in JOBS:
        part = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        shown = re.findall(r"^> (\w+)\(", part, re.MULTILINE)
        assert tools_of(shown) == tools_of([call.tool for call in agent.calls if call.job == title])
