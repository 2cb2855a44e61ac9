"""What one user, or one agent, may not have more of: who asks is told when to try again, and the others are served."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from jupyter_mcp.errors import TooManyError
from jupyter_mcp.steering.agents import Agent
from jupyter_mcp.steering.limits import ENDING, Limits, Quotas
from tests.support.fake_kernel import held
from tests.support.measured import told
from tests.support.served import Served, run

ANN, ANNS_OTHER = Agent("a1", "one", credential="ann"), Agent("a2", "two", credential="ann")
BOB = Agent("b1", "one", credential="bob")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_calls_over_the_limit_are_refused_until_the_time_that_the_refusal_says() -> None:
    clock = Clock()
    quotas = Quotas(Limits(user_calls=60), clock)
    for _ in range(60):
        quotas.call(ANN, "get_cell")
    for agent in (ANN, ANNS_OTHER):
        with pytest.raises(TooManyError, match=r"user_calls_per_minute.*Try again in 1 s"):
            quotas.call(agent, "get_cell")
    quotas.call(BOB, "get_cell")
    clock.now += 1
    quotas.call(ANN, "get_cell")
    with pytest.raises(TooManyError):
        quotas.call(ANN, "get_cell")
    clock.now += 120  # what was not used is not saved up
    for _ in range(60):
        quotas.call(ANN, "get_cell")
    with pytest.raises(TooManyError):
        quotas.call(ANN, "get_cell")


def test_a_refused_call_counts_for_nothing() -> None:
    clock = Clock()
    quotas = Quotas(Limits(user_calls=60, agent_calls=6), clock)
    for _ in range(6):
        quotas.call(ANN, "get_cell")
    for _ in range(100):
        with pytest.raises(TooManyError, match=r"agent_calls_per_minute.*Try again in 10 s"):
            quotas.call(ANN, "get_cell")
    quotas.call(ANNS_OTHER, "get_cell")
    clock.now += 10
    quotas.call(ANN, "get_cell")


def test_what_ends_something_is_never_refused() -> None:
    quotas = Quotas(Limits(user_calls=1), Clock())
    quotas.call(ANN, "get_cell")
    for tool in ENDING:
        quotas.call(ANN, tool)


def test_without_settings_nothing_is_limited() -> None:
    quotas = Quotas()
    for _ in range(1000):
        quotas.call(ANN, "get_cell")
        quotas.may_run(ANN)
        quotas.runs(ANN, _a_run())
    quotas.may_open(ANN, 1000)


def test_runs_are_counted_until_they_end() -> None:
    quotas = Quotas(Limits(user_runs=2, agent_runs=1))
    first, second = _a_run(), _a_run()
    quotas.may_run(ANN)
    quotas.runs(ANN, first)
    with pytest.raises(TooManyError, match="max_agent_runs"):
        quotas.may_run(ANN)
    quotas.may_run(ANNS_OTHER)
    quotas.runs(ANNS_OTHER, second)
    with pytest.raises(TooManyError, match="max_user_runs"):
        quotas.may_run(Agent("a3", "three", credential="ann"))
    quotas.may_run(BOB)
    first.over.set()
    quotas.may_run(ANN)


def test_many_names_of_one_user_are_remembered_no_longer_than_they_matter() -> None:
    clock = Clock()
    quotas = Quotas(Limits(agent_calls=6), clock)
    for number in range(30_000):
        clock.now += 0.01
        quotas.call(Agent(f"a{number}", "", credential="ann"), "get_cell")
    assert max(len(rate._spent) for rate, *_ in quotas._rates) <= 10_001


def test_an_agent_over_its_limit_is_told_so_and_another_is_served(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "1")
        before = told("jupyter_mcp_limit_refusals_total", {"limit": "calls"})
        async with at.agent("Hasty") as hasty, at.agent("Calm") as calm:
            for _ in range(3):
                await hasty.call_tool("get_notebook", {"path": "n.ipynb"})
            with pytest.raises(ToolError, match=r"3 calls a minute from one agent.*Try again in \d+ s"):
                await hasty.call_tool("get_notebook", {"path": "n.ipynb"})
            await calm.call_tool("get_notebook", {"path": "n.ipynb"})
        assert told("jupyter_mcp_limit_refusals_total", {"limit": "calls"}) == before + 1

    run(tmp_path, job, limits=Limits(agent_calls=3))


def test_a_run_over_the_limit_is_refused_before_anything_is_done_and_may_be_asked_for_again(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "1", "2")
        at.write("m.ipynb", "3")
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        async with at.agent() as agent:
            first = asyncio.create_task(agent.call_tool("execute_cell", {"path": "n.ipynb", "index": 0}))
            while not at.seat.execution.runs.active():  # noqa: ASYNC110 - a test looks from outside
                await asyncio.sleep(0.005)
            for tool, more in (("execute_cell", {"index": 0}), ("run_cells", {}), ("run_code", {"code": "4"})):
                with pytest.raises(ToolError, match=r"max_user_runs.*nothing was run.*Try again"):
                    await agent.call_tool(tool, {"path": "m.ipynb", **more})
            assert len(at.seat.execution.runs.active()) == 1
            go.set()
            await first
            await agent.call_tool("execute_cell", {"path": "n.ipynb", "index": 1})

    run(tmp_path, job, limits=Limits(user_runs=1))


def test_rooms_over_the_limit_are_refused_also_when_asked_for_at_once_and_a_closed_one_makes_place(
    tmp_path: Path,
) -> None:
    async def job(at: Served) -> None:
        names = [f"n{number}.ipynb" for number in range(6)]
        for name in names:
            at.write(name, "1")
        async with at.agent() as agent:

            async def insert(name: str) -> Any:
                return await agent.call_tool("insert_cell", {"path": name, "index": 0, "source": "2"})

            done = await asyncio.gather(*(insert(name) for name in names), return_exceptions=True)
            refused = [one for one in done if isinstance(one, ToolError)]
            assert len(refused) == 4
            assert all("max_user_rooms" in str(one) and "Close one" in str(one) for one in refused)
            opened = next(name for name, one in zip(names, done, strict=True) if not isinstance(one, ToolError))
            other = next(name for name, one in zip(names, done, strict=True) if isinstance(one, ToolError))
            await insert(opened)  # it is open
            await agent.call_tool("close_notebook_session", {"path": opened})
            await insert(other)

    run(tmp_path, job, limits=Limits(user_rooms=2))


def _a_run() -> Any:
    return SimpleNamespace(over=asyncio.Event())
