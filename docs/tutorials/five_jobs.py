"""Do the five jobs on a new server, and write the page that shows them: docs/tutorials/five-jobs-of-an-agent.md.

./noxw -s run -- python docs/tutorials/five_jobs.py
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.live.conftest import Server  # noqa: E402
from tests.support.five_jobs import JOBS, Agent, Call, do_all, write_notebooks  # noqa: E402

PAGE = ROOT / "docs" / "tutorials" / "five-jobs-of-an-agent.md"
WIDTH = 118
MOST = 900  # characters of a reply that are shown
HEAD = """\
# Five jobs of an agent

What an agent does with the tools, call by call, and what it gets: for people who write agents or prompts, and for
agents. The page is written by a program that does the jobs (`docs/tutorials/five_jobs.py`); a test does them too.
Notebooks are made for it; the agent knows of them what replies say. Pictures and the ends of long replies are left out
here. [The tools](../reference/tools.md) has every parameter.

All five take {calls} calls. The replies have {replies} characters, the list of tools {listed}.
"""
ABOUT = {
    "Mend a fault in a notebook of 67 cells": """
        `run_cells` runs all of them and stops at the first error; of a long run, cells that ended well and put nothing
        out are only counted. The traceback names what can't be added, a search finds where it was made, and a new
        kernel shows that it is right now.""",
    "Make a plot and look at it": """
        The new notebook's empty cell is replaced, and a heading put before it, in one call. `get_output` gives the
        picture as a picture, in every host.""",
    "Edit while a long cell runs": """
        With `wait` the call comes back before the run is over, with its id. Edits go on beside it; `get_run` waits.""",
    "Get out of a cell that ignores interrupts": """
        `stop_run` says what the kernel did: nothing. Only a restart helps, and costs the variables.""",
    "Refactor 33 cells": """
        One call renames two variables in all cells, splits a cell, moves both halves up and deletes a scratch cell: all
        of it or none. A name given to the new half stands for its id. The run in a new kernel is the proof.""",
}


def main() -> None:
    """Do the jobs, and write the page."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), Path(home)).start()
        try:
            write_notebooks(server.folder)
            agent = asyncio.run(_work(server))
        finally:
            server.stop()
    PAGE.write_text(page(agent))


async def _work(server: Server) -> Agent:
    async with server.client() as client:
        return await do_all(client)


def page(agent: Agent) -> str:
    """Return the page's text."""
    replies = sum(call.seen for call in agent.calls)
    parts = [HEAD.format(calls=len(agent.calls), replies=f"{replies:,}", listed=f"{agent.listed:,}")]
    for title in JOBS:
        calls = [call for call in agent.calls if call.job == title]
        blocks = "\n\n".join(_shown(call) for call in calls)
        parts.append(
            f"## {title}\n\n{textwrap.fill(' '.join(ABOUT[title].split()), WIDTH)}\n\n```text\n{blocks}\n```\n"
        )
    return "\n".join(parts)


def _shown(call: Call) -> str:
    arguments = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in call.arguments.items())
    text = json.dumps(json.loads(call.text), ensure_ascii=False) if call.text else ""  # with spaces, to be wrapped
    text = text if len(text) <= MOST else f"{text[:MOST]}…"
    pictures = f"({call.pictures} picture)" if call.pictures else ""
    told = "\n".join(filter(None, (text, pictures)))
    lines = [*_wrapped(f"> {call.tool}({arguments})", "  "), *_wrapped(told, "")]
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(part, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    ]


if __name__ == "__main__":
    main()
