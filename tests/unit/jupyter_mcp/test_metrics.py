"""What an operator sees of calls, runs, rooms and journals, with few labels and at no cost to the calls."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import NotFoundError, ToolError
from prometheus_client import CollectorRegistry, generate_latest

from jupyter_mcp import errors, metrics
from jupyter_mcp.metrics import Figure
from tests.support.fake_kernel import FakeKernel, held
from tests.support.measured import samples, scrape, told
from tests.support.seat import Seat, within
from tests.support.served import Served, run

SECRETS = ("secret-notebook", "Evil Client", "no_such_tool_of_ours")


def test_calls_are_counted_by_tool_and_outcome(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "1")
        async with at.agent() as agent:
            before = {outcome: _calls("insert_cell", outcome) for outcome in metrics.OUTCOMES}
            await agent.call_tool("insert_cell", {"path": "n.ipynb", "index": 0, "source": "2"})
            with pytest.raises(ToolError):
                await agent.call_tool("insert_cell", {"path": "gone.ipynb", "index": 0, "source": "2"})
            with pytest.raises(ToolError):
                await agent.call_tool("insert_cell", {"path": "n.ipynb", "inedx": 0})
        after = {outcome: _calls("insert_cell", outcome) for outcome in metrics.OUTCOMES}
        assert {one: after[one] - before[one] for one in after if after[one] != before[one]} == {
            "done": 1,
            "refused": 2,
        }
        assert told("jupyter_mcp_tool_call_duration_seconds_count", {"tool": "insert_cell"}) >= 3
        assert told("jupyter_mcp_tool_errors_total", {"error": "NotebookMissingError"}) >= 1
        assert told("jupyter_mcp_tool_errors_total", {"error": "BadArgumentError"}) >= 1

    run(tmp_path, job)


def test_a_fault_of_ours_counts_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "1")
        failed, faults = _calls("get_notebook", "failed"), told("jupyter_mcp_tool_errors_total", {"error": "fault"})

        async def broken(*_args: Any, **_options: Any) -> Any:
            raise RuntimeError("a bug")

        monkeypatch.setattr(type(at.workshop.rooms), "join", broken)
        async with at.agent() as agent:
            with pytest.raises(ToolError, match="fault in this server"):
                await agent.call_tool("insert_cell", {"path": "n.ipynb", "index": 0, "source": "2"})
        assert _calls("insert_cell", "failed") == failed + 1
        assert told("jupyter_mcp_tool_errors_total", {"error": "fault"}) == faults + 1

    run(tmp_path, job)


def test_figures_are_those_of_the_moment_and_of_no_client(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        path = "secret-notebook.ipynb"
        at.write(path, "1")
        rooms, runs = told("jupyter_mcp_rooms_joined"), told("jupyter_mcp_runs_ended_total", {"state": "done"})
        async with at.agent("Evil Client", era="legacy") as agent:
            await agent.call_tool("insert_cell", {"path": path, "index": 0, "source": "2"})
            with pytest.raises(ToolError):
                await agent.call_tool("no_such_tool_of_ours", {})
            assert told("jupyter_mcp_rooms_joined") == rooms + 1
            assert told("jupyter_mcp_rooms") >= 1
            assert told("jupyter_mcp_sessions") >= 1
            assert told("jupyter_mcp_agents") >= 1
            assert told("jupyter_mcp_journal_bytes") > 0
            assert told("jupyter_mcp_journals") >= 1
            await agent.call_tool("close_notebook_session", {"path": path})
            assert told("jupyter_mcp_journal_pending_edits") == 0
            assert told("jupyter_mcp_rooms_joined") == rooms
        text = scrape()
        assert _calls("unknown", "refused") >= 1
        assert not [one for one in SECRETS if one in text]
        assert told("jupyter_mcp_runs_ended_total", {"state": "done"}) == runs

    run(tmp_path, job)


def test_runs_that_wait_and_that_go_on_are_told_and_how_they_ended() -> None:
    async def test(one: Seat) -> None:
        go = asyncio.Event()
        script = held(go)
        before = {state: told("jupyter_mcp_runs", {"state": state}) for state in metrics.STATES}
        done = told("jupyter_mcp_runs_ended_total", {"state": "done"})
        first = one.start(script)
        while first.current is None:  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.005)
        second = one.start(script)
        assert told("jupyter_mcp_runs", {"state": "running"}) == before["running"] + 1
        assert told("jupyter_mcp_runs", {"state": "queued"}) == before["queued"] + 1
        assert told("jupyter_mcp_queued_cells") >= 1
        go.set()
        await asyncio.wait_for(asyncio.gather(first.over.wait(), second.over.wait()), 20)
        assert told("jupyter_mcp_runs_ended_total", {"state": "done"}) == done + 2
        assert told("jupyter_mcp_runs", {"state": "running"}) == before["running"]

    within(test)


def test_output_past_the_limit_is_counted_in_bytes() -> None:
    async def test(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            for _ in range(10):
                kernel.stream("x" * 1000)
            kernel.done()

        before = told("jupyter_mcp_output_dropped_bytes_total")
        await one.run(script)
        dropped = told("jupyter_mcp_output_dropped_bytes_total") - before
        assert 7000 <= dropped <= 9000  # of 10,000 bytes, and what JSON puts around them

    within(test, size=2000)


def test_two_extensions_in_one_process_share_the_metrics() -> None:
    registry = CollectorRegistry()
    assert metrics.publish(registry)
    assert not metrics.publish(registry)
    names = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_figures_of_two_servers_are_added_up_and_those_of_one_that_is_gone_are_forgotten() -> None:
    class Server:
        def count(self) -> float:
            return 2

    figure = Figure("x", "…")
    first, second = Server(), Server()
    figure.watch(first.count)
    figure.watch(second.count)
    assert [one.value for one in next(iter(figure.collect())).samples] == [4]
    del second
    assert [one.value for one in next(iter(figure.collect())).samples] == [2]


def test_a_figure_that_fails_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Server:
        def count(self) -> float:
            raise RuntimeError("gone")

        def right(self) -> float:
            return 1

    figure, server = Figure("x", "…"), Server()
    figure.watch(server.count)
    figure.watch(server.right)
    with caplog.at_level(logging.ERROR):
        assert [one.value for one in next(iter(figure.collect())).samples] == [1]
    assert "x can't be told" in caplog.text


def test_labels_have_few_values() -> None:
    for one in samples():
        for label, value in one.labels.items():
            assert label in ("tool", "outcome", "error", "state", "limit", "le"), one
            if label == "outcome":
                assert value in metrics.OUTCOMES
            if label == "error":
                assert value == metrics.FAULT or hasattr(errors, value)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.CellChangedError("…"), ("refused", "CellChangedError")),
        (errors.StoppedError("…"), ("stopped", "StoppedError")),
        (errors.ServerFaultError("…"), ("failed", "fault")),
        (ToolError("…"), ("refused", "ToolError")),
        (NotFoundError("…"), ("refused", "ToolError")),
        (asyncio.CancelledError(), ("cancelled", "")),
        (RuntimeError("…"), ("failed", "fault")),
        (type("ChosenByAClient", (ToolError,), {})("…"), ("failed", "fault")),
    ],
)
def test_how_a_call_ended_is_one_of_few_words(error: BaseException, outcome: tuple[str, str]) -> None:
    assert metrics.name_of(error) == outcome


def _calls(tool: str, outcome: str) -> float:
    return told("jupyter_mcp_tool_calls_total", {"tool": tool, "outcome": outcome})
