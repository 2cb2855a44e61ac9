"""People's pages are told which cells run and which wait, for whom, and how many are before them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.served import Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams


async def runs_of(at: Served) -> list[dict[str, Any]]:
    async with at.bridge.client() as http:
        reply = await http.get(at.bridge.url.removesuffix("/mcp") + "/jupyter-mcp/runs")
    found: list[dict[str, Any]] = reply.raise_for_status().json()["cells"]
    return found


def test_cells_that_run_and_wait_are_told_with_their_places_until_they_are_over(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two", "three")
        started, go_on = asyncio.Event(), asyncio.Event()

        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            started.set()
            await go_on.wait()
            kernel.done()

        at.seat.fake.script = script
        async with at.agent() as client, at.agent("Robot") as other:
            assert await runs_of(at) == []
            first = await client.call_tool("run_cells", {"path": "n.ipynb", "stop": 2, "wait": 0})
            await started.wait()
            second = await other.call_tool("run_cells", {"path": "n.ipynb", "start": 2, "wait": 0})
            told = await runs_of(at)
            assert [(one["cell"], one["by"], one["running"], one["place"]) for one in told] == [
                ("id-0", "Claude Code", True, 0),
                ("id-1", "Claude Code", False, 1),
                ("id-2", "Robot", False, 2),
            ]
            assert {one["notebook"] for one in told} == {"n.ipynb"}
            assert [one["seconds"] is None for one in told] == [False, True, True]
            go_on.set()
            for reply in (first, second):
                assert reply.structured_content is not None
                await client.call_tool("get_run", {"run_id": reply.structured_content["run"]})
            assert await runs_of(at) == []

    run(tmp_path, job)
