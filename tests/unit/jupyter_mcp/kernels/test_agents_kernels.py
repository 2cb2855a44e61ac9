"""Kernels that agents started are bounded in number, end when nobody needs them, and are missed aloud."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jupyter_mcp.errors import KernelUnavailableError, TooManyError
from jupyter_mcp.notebooks.running import outputs_of
from jupyter_mcp.replies.replies import reply
from tests.support.fake_kernel import FakeKernel
from tests.support.seat import Seat, seat

AT_ONCE = 1e-9  # seconds
Change = Callable[[Seat], None]


def with_an_agents_kernel(test: Callable[[Seat], Awaitable[None]], **options: Any) -> None:
    """Run a test on a notebook without a kernel: its first run starts one."""

    async def run() -> None:
        async with seat("hello", **options) as one:
            one.sessions.sessions.clear()
            one.managers.clear()
            started = 0

            async def make(_: str | None) -> str:
                nonlocal started
                started += 1
                one.managers[f"agents-{started}"] = one.manager
                return f"agents-{started}"

            one.sessions.make = make
            await test(one)

    asyncio.run(run())


async def run_and_hear(one: Seat) -> list[str]:
    """Run the cell; return what is told beside its outputs."""
    run = one.start(one.fake.script)
    await asyncio.wait_for(run.over.wait(), 20)
    outputs_of(run)
    return run.notices


def test_an_idle_kernel_ends_and_the_next_run_says_so_once() -> None:
    async def job(one: Seat) -> None:
        assert await run_and_hear(one) == []
        await one.kernels.sweep()
        assert not one.managers
        (told,) = await run_and_hear(one)
        assert told.startswith("New kernel: earlier variables are gone")
        assert "idle" in told
        assert list(one.managers) == ["agents-2"]
        assert await run_and_hear(one) == []

    with_an_agents_kernel(job, idle_timeout=AT_ONCE)


def test_a_kernel_that_jupyter_still_calls_starting_is_idle_when_we_hear_so() -> None:
    async def job(one: Seat) -> None:
        await run_and_hear(one)
        (session,) = one.sessions.sessions.values()
        session["kernel"]["execution_state"] = "starting"
        await one.kernels.sweep()
        assert not one.managers

    with_an_agents_kernel(job, idle_timeout=AT_ONCE)


def culled_by_jupyter(one: Seat) -> None:
    one.managers.clear()


def restarted_by_a_person(one: Seat) -> None:
    one.manager.new_process()


def brought_back_by_jupyters_restarter(one: Seat) -> None:
    one.manager.new_process()
    for callback in list(one.manager.callbacks):
        callback()


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (culled_by_jupyter, "was shut down"),
        (restarted_by_a_person, "was restarted"),
        (brought_back_by_jupyters_restarter, "died"),
    ],
)
@pytest.mark.parametrize("swept", [True, False])
def test_the_run_after_a_kernels_end_says_how_it_ended(end: Change, how: str, swept: bool) -> None:
    async def job(one: Seat) -> None:
        await run_and_hear(one)
        end(one)
        if swept:
            await one.kernels.sweep()
        (told,) = await run_and_hear(one)
        assert how in told
        assert await run_and_hear(one) == []

    with_an_agents_kernel(job)


def test_a_notice_waits_for_a_run_that_has_a_reply() -> None:
    async def job(one: Seat) -> None:
        await run_and_hear(one)
        one.manager.new_process()

        async def dies(kernel: FakeKernel) -> None:
            kernel.status("busy")
            one.manager.alive = False

        one.fake.script = dies
        with pytest.raises(KernelUnavailableError):
            await run_and_hear(one)
        one.fake.script = None
        one.manager.new_process()
        (told,) = await run_and_hear(one)
        assert "died" in told

    with_an_agents_kernel(job)


def shows_an_earlier_run(one: Seat) -> None:
    one.live.document.ycells[0]["execution_count"] = 7


def test_the_first_run_in_a_notebook_that_ran_before_this_server_says_that_its_variables_are_gone() -> None:
    async def job(one: Seat) -> None:
        shows_an_earlier_run(one)
        (told,) = await run_and_hear(one)
        assert told.startswith("New kernel: earlier variables are gone")
        assert await run_and_hear(one) == []

    with_an_agents_kernel(job)


def test_the_first_run_on_a_kernel_that_a_person_used_tells_nothing() -> None:
    async def run() -> None:
        async with seat("hello") as one:
            shows_an_earlier_run(one)
            assert await run_and_hear(one) == []

    asyncio.run(run())


def test_another_notebooks_run_on_the_same_kernel_tells_nothing() -> None:
    async def job(one: Seat) -> None:
        await run_and_hear(one)
        one.live.room_id, first = "json:notebook:2", one.live.room_id
        assert await run_and_hear(one) == []
        one.live.room_id = first
        assert await run_and_hear(one) == []

    with_an_agents_kernel(job)


@pytest.mark.parametrize("idle_timeout", [0, 3600])
def test_a_kernel_goes_on_before_its_time_and_without_one(idle_timeout: float) -> None:
    async def job(one: Seat) -> None:
        await one.run()
        await one.kernels.sweep()
        assert list(one.managers) == ["agents-1"]

    with_an_agents_kernel(job, idle_timeout=idle_timeout)


def somebody_is_connected(one: Seat) -> None:
    for session in one.sessions.sessions.values():
        session["kernel"]["connections"] = 1


def somebody_runs_what_we_do_not_hear(one: Seat) -> None:
    for session in one.sessions.sessions.values():
        session["kernel"]["execution_state"] = "busy"


@pytest.mark.parametrize("need", [somebody_is_connected, somebody_runs_what_we_do_not_hear])
def test_a_kernel_that_somebody_needs_goes_on(need: Change) -> None:
    async def job(one: Seat) -> None:
        await one.run()
        need(one)
        await one.kernels.sweep()
        assert list(one.managers) == ["agents-1"]

    with_an_agents_kernel(job, idle_timeout=AT_ONCE)


def test_a_kernel_on_which_a_person_ran_something_is_theirs_also_after_a_new_connection() -> None:
    async def job(one: Seat) -> None:
        await one.run()
        (await one.kernels.connect("agents-1")).foreign = True
        await one.kernels.drop("agents-1")
        await one.kernels.sweep()
        assert list(one.managers) == ["agents-1"]

    with_an_agents_kernel(job, idle_timeout=AT_ONCE)


def test_a_kernel_that_lost_its_session_ends_too() -> None:
    async def job(one: Seat) -> None:
        await one.run()
        one.sessions.sessions.clear()
        await one.kernels.sweep()
        assert not one.managers

    with_an_agents_kernel(job, idle_timeout=AT_ONCE)


def test_a_kernel_that_a_person_started_is_not_ended() -> None:
    async def run() -> None:
        async with seat("hello", idle_timeout=AT_ONCE) as one:
            await one.run()
            await one.kernels.sweep()
            assert list(one.managers) == ["k"]

    asyncio.run(run())


def test_one_kernel_more_than_the_limit_is_refused_until_one_ends() -> None:
    async def job(one: Seat) -> None:
        first = await one.kernels.id_of("a.ipynb", "a", None)
        starts = [one.kernels.id_of(f"{name}.ipynb", name, None) for name in "bcd"]
        results = await asyncio.gather(*starts, return_exceptions=True)
        refused = [result for result in results if isinstance(result, TooManyError)]
        assert len(refused) == 2
        assert "2 kernels" in str(refused[0])
        assert "max_kernels" in str(refused[0])
        assert await one.kernels.id_of("a.ipynb", "a", None) == first
        del one.managers[first]
        assert await one.kernels.id_of("d.ipynb", "d", None) in one.managers

    with_an_agents_kernel(job, max_kernels=2)


def test_a_kernel_with_a_page_open_takes_no_place() -> None:
    async def job(one: Seat) -> None:
        await one.kernels.id_of("a.ipynb", "a", None)
        with pytest.raises(TooManyError):
            await one.kernels.id_of("b.ipynb", "b", None)
        somebody_is_connected(one)
        assert await one.kernels.id_of("b.ipynb", "b", None) == "agents-2"

    with_an_agents_kernel(job, max_kernels=1)


def test_a_kernel_whose_caller_was_cancelled_is_counted() -> None:
    async def job(one: Seat) -> None:
        make, began, go = one.sessions.make, asyncio.Event(), asyncio.Event()
        assert make is not None

        async def slowly(name: str | None) -> str:
            began.set()
            await go.wait()
            return await make(name)

        one.sessions.make = slowly
        call = asyncio.create_task(one.kernels.id_of("a.ipynb", "a", None))
        await began.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        with pytest.raises(TooManyError):
            await one.kernels.id_of("b.ipynb", "b", None)
        again = asyncio.create_task(one.kernels.id_of("a.ipynb", "a", None))
        go.set()
        assert await asyncio.wait_for(again, 20) == "agents-1"
        assert list(one.managers) == ["agents-1"]

    with_an_agents_kernel(job, max_kernels=1)


def test_a_notice_is_a_text_of_its_own_beside_unchanged_results() -> None:
    plain, told = reply([{"type": "stream"}], 1 << 20), reply([{"type": "stream"}], 1 << 20, ["New kernel"])
    assert plain.structured_content is not None
    assert told.structured_content == {**plain.structured_content, "notices": ["New kernel"]}
    assert [getattr(one, "text", None) for one in told.content[len(plain.content) :]] == ["New kernel"]
