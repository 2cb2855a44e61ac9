"""Five jobs that agents were given, each done through tools alone, with every call and reply kept.

A job's calls are what an agent would choose that has read the tools' descriptions: it knows nothing of a notebook but
what a reply said. What is counted is what a host puts before its model: of each reply the larger of its texts and its
structured content, and the list of tools.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from fastmcp import Client

MOST_CALLS = 20
MOST_CHARACTERS = 25_000
SALES, PLOT, LONG, STUBBORN, REPORT = "sales.ipynb", "plot.ipynb", "long.ipynb", "stubborn.ipynb", "report.ipynb"


@dataclass
class Call:
    """A call and what came back."""

    job: str
    tool: str
    arguments: dict[str, Any]
    text: str
    pictures: int
    seen: int  # characters


@dataclass
class Agent:
    """A client that keeps what it asks and gets."""

    client: Client[Any]
    calls: list[Call] = field(default_factory=list)
    listed: int = 0  # characters of tools/list
    job: str = ""

    @property
    def characters(self) -> int:
        return self.listed + sum(call.seen for call in self.calls)

    async def begin(self) -> None:
        """Read what the server offers."""
        tools = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in await self.client.list_tools()
        ]
        self.listed = len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool; returns its structured content, or its text."""
        result = await self.client.call_tool(tool, arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        pictures = sum(block.type == "image" for block in result.content)
        structured = result.structured_content
        told = "" if structured is None else json.dumps(structured, separators=(",", ":"), ensure_ascii=False)
        self.calls.append(Call(self.job, tool, arguments, text, pictures, max(len(text), len(told))))
        return text if structured is None else structured


def write_notebooks(folder: Path) -> None:
    """Put the notebooks of the jobs into a server's root."""
    _write(folder / SALES, _sales())
    _write(
        folder / LONG,
        ["import time", "for step in range(4):\n    print('step', step, flush=True)\n    time.sleep(0.8)"],
    )
    endless = (
        "import time\nwhile True:\n    try:\n        while True:\n            time.sleep(.1)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    _write(folder / STUBBORN, ["answer = 42", endless])
    _write(folder / REPORT, _report())


def _write(path: Path, sources: list[str]) -> None:
    cells = [
        nbformat.v4.new_markdown_cell(source[1:], id=f"{path.stem}-{at:02}")
        if source.startswith("%")
        else nbformat.v4.new_code_cell(source, id=f"{path.stem}-{at:02}")
        for at, source in enumerate(sources)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def _sales() -> list[str]:
    """Return 67 cells, in the middle of which a price is made text."""
    cells = ["%# Sales", "rows = [{'month': n, 'units': 3 * n, 'price': 2.5} for n in range(1, 13)]"]
    for part in range(21):
        cells += [
            f"%## Part {part}",
            f"subset_{part} = [row for row in rows if row['month'] % 7 != {part % 7}]",
            f"total_{part} = sum(row['units'] * row['price'] for row in subset_{part})",
        ]
    cells[33] += "\nrows[3]['price'] = '2.5'  # as in the mail"
    return [
        *cells,
        "grand_total = sum(value for name, value in list(globals().items()) if name.startswith('total_'))",
        "grand_total",
    ]


def _report() -> list[str]:
    """Return 33 cells that need a rename, another order, a split and one cell less."""
    cells = ["%# Report", "d = list(range(30))", "m = sum(d) / len(d)"]
    cells += [f"part_{n} = [x - m for x in d if x % {n + 2} == 0]" for n in range(26)]
    cells += [
        "spread = max(d) - min(d)\nlow, high = min(d), max(d)",
        "print('scratch', d)",
        "%## Summary",
        "len(d), m, spread, low, high, len(part_25)",
    ]
    return cells


async def mend_a_fault(agent: Agent) -> None:
    """Find why a notebook of 67 cells fails, mend it, and see it run to its end."""
    run = await agent.call("run_cells", path=SALES)
    assert run["state"] == "error"
    cause = await agent.call("search_notebooks", pattern="['price'] =")
    (match,) = cause["notebooks"][0]["matches"]
    edit = {"op": "str_replace", "cell_id": match["cell_id"], "old": "= '2.5'", "new": "= 2.5"}
    await agent.call("edit_notebook", path=SALES, edits=[edit])
    again = await agent.call("run_cells", path=SALES, restart=True)
    assert again["state"] == "done"


async def look_at_a_plot(agent: Agent) -> None:
    """Make a notebook that plots, run it and look at the picture."""
    made = await agent.call("create_notebook", path=PLOT)
    plot = "import matplotlib.pyplot as plt\nplt.plot([n * n for n in range(10)])\nplt.ylabel('square')"
    edits = [
        {"op": "replace", "cell_id": made["cell_id"], "source": plot},
        {"op": "insert", "before": made["cell_id"], "source": "# Squares", "cell_type": "markdown"},
    ]
    await agent.call("edit_notebook", path=PLOT, edits=edits)
    run = await agent.call("run_cells", path=PLOT)
    assert run["state"] == "done"
    await agent.call("get_output", path=PLOT, cell_id=made["cell_id"], output=1)
    assert agent.calls[-1].pictures == 1


async def edit_while_it_runs(agent: Agent) -> None:
    """Start a cell that takes its time, edit meanwhile, and wait for its end."""
    run = await agent.call("run_cells", path=LONG, wait=1)
    assert run["state"] in ("queued", "running")
    edit = {"op": "insert", "source": "## What the steps were for", "cell_type": "markdown"}
    await agent.call("edit_notebook", path=LONG, edits=[edit])
    ended = await agent.call("get_run", run_id=run["run"])
    assert ended["state"] == "done"
    assert "step 3" in json.dumps(ended)


async def get_out_of_a_stubborn_cell(agent: Agent) -> None:
    """Get a kernel back whose cell ignores interrupts, and say what that cost."""
    run = await agent.call("run_cells", path=STUBBORN, wait=6)
    while run["state"] == "queued" or run["cells"][-1]["state"] == "queued":
        run = await agent.call("get_run", run_id=run["run"], wait=4)
    stopped = await agent.call("stop_run", run_id=run["run"])
    assert stopped["state"] == "running"
    restarted = await agent.call("restart_kernel", path=STUBBORN)
    assert "Earlier variables are gone" in restarted["outcome"]
    checked = await agent.call("run_code", path=STUBBORN, code="'answer' in globals()")
    assert "False" in json.dumps(checked)


async def refactor(agent: Agent) -> None:
    """Rename, reorder, split and delete across 33 cells, and run all of them in a new kernel."""
    found = await agent.call("search_notebooks", pattern="^low|^print|^m =", regex=True)
    (report,) = [one for one in found["notebooks"] if one["path"] == REPORT]
    mean, split, scratch = (match["cell_id"] for match in report["matches"])
    edits = [
        {"op": "str_replace", "old": "d", "new": "data", "all": True, "whole_word": True},
        {"op": "str_replace", "old": "m", "new": "mean", "all": True, "whole_word": True},
        {"op": "split", "cell_id": split, "line": report["matches"][1]["line"], "name": "limits"},
        {"op": "move", "cell_ids": [split, "limits"], "after": mean},
        {"op": "delete", "cell_id": scratch},
    ]
    await agent.call("edit_notebook", path=REPORT, edits=edits)
    run = await agent.call("run_cells", path=REPORT, restart=True)
    assert run["state"] == "done"
    assert "(30, 14.5, 29, 0, 29, 2)" in json.dumps(run)


JOBS: dict[str, Callable[[Agent], Awaitable[None]]] = {
    "Mend a fault in a notebook of 67 cells": mend_a_fault,
    "Make a plot and look at it": look_at_a_plot,
    "Edit while a long cell runs": edit_while_it_runs,
    "Get out of a cell that ignores interrupts": get_out_of_a_stubborn_cell,
    "Refactor 33 cells": refactor,
}


async def do_all(client: Client[Any]) -> Agent:
    """Do the jobs one after the other."""
    agent = Agent(client)
    await agent.begin()
    for title, job in JOBS.items():
        agent.job = title
        await job(agent)
    return agent
