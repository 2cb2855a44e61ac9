"""A notebook's kernel is restarted, shut down and exchanged, and each reply says what it did."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_mcp.errors import KernelUnavailableError, RunStoppedError
from jupyter_mcp.kernels import execution
from jupyter_mcp.kernels.runs import State
from jupyter_mcp.notebooks.running import outputs_of
from tests.support.desk import Desk, ended, running, until, within
from tests.support.fake_kernel import FakeKernel, never_ends

# Restart.


def test_a_restart_ends_what_runs_does_not_run_what_waits_and_the_next_run_is_told() -> None:
    async def job(desk: Desk) -> None:
        first = await running(desk)
        second = desk.one.start(never_ends, 1)
        await until(lambda: second.kernel_id is not None)
        told = await desk.control.restart("n.ipynb", "an agent")
        assert "new kernel, python3" in told
        assert "Earlier variables are gone" in told
        await ended(first)
        await ended(second)
        with pytest.raises(KernelUnavailableError, match="was restarted while the cell ran"):
            outputs_of(first)
        with pytest.raises(RunStoppedError, match="was waiting when an agent restarted the kernel"):
            outputs_of(second)
        third = desk.one.start(None, 1)
        await ended(third)
        assert third.state is State.DONE
        assert "New kernel: earlier variables are gone" in third.notices[0]

    within(job, "one", "two")


def test_a_run_that_comes_while_the_kernel_restarts_runs_on_the_new_one() -> None:
    async def job(desk: Desk) -> None:
        began, go = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            began.set()
            await go.wait()

        desk.one.managers.before_a_restart = slow
        await desk.one.run()
        restart = asyncio.create_task(desk.control.restart("n.ipynb", "an agent"))
        await began.wait()
        asked = len(desk.one.fake.asked)
        run = desk.one.start(None, 0)
        await until(lambda: run.waits_for == execution.CHANGE)
        assert run.current is None
        assert len(desk.one.fake.asked) == asked
        go.set()
        await restart
        await ended(run)
        assert run.state is State.DONE, run.steps[0].fault

    within(job)


def test_a_cell_that_the_kernel_had_not_begun_when_it_went_is_said_not_to_have_run() -> None:
    async def job(desk: Desk) -> None:
        async def silent(_: FakeKernel) -> None:
            desk.one.manager.new_process()

        run = desk.one.start(silent)
        await ended(run)
        with pytest.raises(KernelUnavailableError, match="was restarted before the cell began, and nothing of it"):
            outputs_of(run)

    within(job)


def test_a_restart_that_fails_is_told() -> None:
    async def job(desk: Desk) -> None:
        desk.one.managers.fails = OSError("no memory")
        with pytest.raises(KernelUnavailableError, match=r"did not start again \(OSError\)"):
            await desk.control.restart("n.ipynb", "an agent")

    within(job)


def test_a_kernel_that_is_shut_down_while_it_restarts_is_told() -> None:
    async def job(desk: Desk) -> None:
        async def gone() -> None:
            desk.one.managers.clear()
            raise KeyError("k")

        desk.one.managers.before_a_restart = gone
        with pytest.raises(KernelUnavailableError, match="did not start again"):
            await desk.control.restart("n.ipynb", "an agent")

    within(job)


def test_of_two_changes_the_later_sees_what_the_earlier_did() -> None:
    async def job(desk: Desk) -> None:
        shutting = asyncio.create_task(desk.control.shut_down("n.ipynb", "an agent"))
        restarting = asyncio.create_task(desk.control.restart("n.ipynb", "another"))
        assert "is shut down" in await shutting
        with pytest.raises(KernelUnavailableError, match="shut down meanwhile; the next run of a cell starts another"):
            await restarting

    within(job)


def test_a_restart_that_takes_longer_than_a_call_goes_on() -> None:
    async def job(desk: Desk) -> None:
        go = asyncio.Event()

        async def slow() -> None:
            await go.wait()

        desk.one.managers.before_a_restart = slow
        process = desk.one.manager.provisioner.pid
        assert "The restart goes on; list_kernels" in await desk.control.restart("n.ipynb", "an agent")
        go.set()
        await until(lambda: desk.one.manager.provisioner.pid != process)

    within(job, bound=0.05)


def test_who_restarts_before_a_run_needs_no_kernel() -> None:
    async def job(desk: Desk) -> None:
        process = desk.one.manager.provisioner.pid
        await desk.control.restart_if_there("n.ipynb", "an agent")
        assert desk.one.manager.provisioner.pid != process
        await desk.control.restart_if_there("other.ipynb", "an agent")
        session = desk.one.sessions.sessions["s0"]

        async def stale() -> list[dict[str, Any]]:
            return [session]

        desk.one.sessions.list_sessions = stale  # type: ignore[method-assign]
        desk.one.managers.clear()
        await desk.control.restart_if_there("n.ipynb", "an agent")

    within(job)


# Shutdown.


def test_a_shut_down_ends_all_sessions_of_the_kernel_and_the_next_run_gets_another() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.note("n.ipynb", "k", connections=1)  # a page of a person's
        first = await running(desk)
        assert "its variables are gone" in await desk.control.shut_down("n.ipynb", "an agent")
        await ended(first)
        assert not one.managers
        with pytest.raises(KernelUnavailableError, match="was shut down while the cell ran"):
            outputs_of(first)
        desk.another_kernel()
        run = one.start(None)
        await ended(run)
        assert run.state is State.DONE
        assert "was shut down" in run.notices[0]

    within(job)


def test_a_kernel_that_does_not_shut_down_is_told_and_nothing_of_the_fault_is_kept_back() -> None:
    async def job(desk: Desk) -> None:
        async def fail(_: str) -> None:
            raise PermissionError

        desk.one.sessions.delete_session = fail  # type: ignore[method-assign, assignment]
        with pytest.raises(KernelUnavailableError, match=r"did not shut down \(PermissionError\)"):
            await desk.control.shut_down("n.ipynb", "an agent")

    within(job)


def test_a_shut_down_that_takes_longer_than_a_call_goes_on() -> None:
    async def job(desk: Desk) -> None:
        go = asyncio.Event()
        delete = desk.one.sessions.delete_session

        async def slow(session_id: str) -> None:
            await go.wait()
            await delete(session_id)

        desk.one.sessions.delete_session = slow  # type: ignore[method-assign]
        assert "is being shut down; list_kernels" in await desk.control.shut_down("n.ipynb", "an agent")
        go.set()
        await until(lambda: not desk.one.managers)

    within(job, bound=0.05)


# Exchange.


def test_a_kernel_of_another_name_takes_the_place_of_the_one_that_runs() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.sessions["s0"]["kernel"]["name"] = "python3"
        first, second = await running(desk), one.start(never_ends, 1)
        await until(lambda: second.kernel_id is not None)
        desk.another_kernel("julia")
        told = await desk.control.exchange("n.ipynb", "julia", "an agent")
        assert told == "The notebook has a new kernel, julia. Earlier variables are gone."
        assert list(one.managers) == ["new"]
        await ended(first)
        await ended(second)
        assert (first.state, second.state) == (State.ERROR, State.INTERRUPTED)
        run = one.start(None)
        await ended(run)
        assert run.state is State.DONE
        assert "variables are gone" in run.notices[0]

    within(job, "one", "two")


def test_a_run_that_comes_while_the_kernel_is_exchanged_runs_on_the_new_one() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.sessions["s0"]["kernel"]["name"] = "python3"
        await one.run()
        desk.another_kernel("julia")
        made, began, go = one.sessions.make, asyncio.Event(), asyncio.Event()
        assert made is not None

        async def slow(name: str | None) -> str:
            began.set()
            await go.wait()
            return await made(name)

        one.sessions.make = slow
        exchange = asyncio.create_task(desk.control.exchange("n.ipynb", "julia", "an agent"))
        await began.wait()
        run = one.start(None)
        await until(lambda: run.kernel_id is not None)
        go.set()
        await exchange
        await ended(run)
        assert (run.state, run.kernel_id) in ((State.DONE, "new"), (State.INTERRUPTED, "k"))
        later = one.start(None)
        await ended(later)
        assert (later.state, later.kernel_id) == (State.DONE, "new")

    within(job)


def test_the_kernel_that_is_chosen_already_stays_and_one_that_does_not_run_starts_with_the_next_cell() -> None:
    async def job(desk: Desk) -> None:
        assert "it and its variables stay" in await desk.control.exchange("n.ipynb", "python3", "an agent")
        assert "The next run of a cell starts it: julia" in await desk.control.exchange("o.ipynb", "julia", "an agent")
        assert list(desk.one.managers) == ["k"]

    within(job)


def test_a_kernel_that_does_not_start_leaves_the_one_that_runs() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.sessions["s0"]["kernel"]["name"] = "python3"

        async def fail(_: str | None) -> str:
            raise OSError

        one.sessions.make = fail
        with pytest.raises(KernelUnavailableError, match=r"'julia'.*metadata names now, did not start, and the one"):
            await desk.control.exchange("n.ipynb", "julia", "an agent")
        assert list(one.managers) == ["k"]
        assert await one.run()

    within(job)


def test_a_session_that_ends_while_the_new_kernel_starts_leaves_no_kernel_behind() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.sessions["s0"]["kernel"]["name"] = "python3"
        desk.another_kernel("julia")
        made = one.sessions.make
        assert made is not None

        async def meanwhile(name: str | None) -> str:
            await one.sessions.delete_session("s0")
            return await made(name)

        one.sessions.make = meanwhile
        with pytest.raises(KernelUnavailableError, match="did not start"):
            await desk.control.exchange("n.ipynb", "julia", "an agent")
        assert not one.managers

    within(job)


def test_an_exchange_that_takes_longer_than_a_call_goes_on() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.sessions["s0"]["kernel"]["name"] = "python3"
        go = asyncio.Event()
        desk.another_kernel("julia")
        made = one.sessions.make
        assert made is not None

        async def slow(name: str | None) -> str:
            await go.wait()
            return await made(name)

        one.sessions.make = slow
        assert "julia is starting; list_kernels" in await desk.control.exchange("n.ipynb", "julia", "an agent")
        go.set()
        await until(lambda: list(one.managers) == ["new"])

    within(job, bound=0.05)
