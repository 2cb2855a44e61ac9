"""Death, shutdown and restart of a kernel, at each step of a run: it is told, and the next run works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.notebooks.running import outputs_of as result_of
from tests.support.fake_kernel import FakeKernel
from tests.support.fake_live import outputs_of
from tests.support.seat import Seat, waiting_run, within

Bad = Callable[[FakeKernel], None]


async def shut_down(one: Seat) -> None:
    one.fake.publish("shutdown_reply", {"restart": False, "status": "ok"})
    await asyncio.sleep(0.05)
    one.manager.alive = False
    del one.managers["k"]


async def shut_down_without_a_word(one: Seat) -> None:
    one.manager.alive = False
    del one.managers["k"]


async def restart(one: Seat) -> None:
    one.fake.publish("shutdown_reply", {"restart": True, "status": "ok"})
    await asyncio.sleep(0.05)
    one.manager.new_process()


async def restart_without_a_word(one: Seat) -> None:
    one.manager.new_process()


async def die(one: Seat) -> None:
    one.manager.alive = False


async def die_and_come_back(one: Seat) -> None:
    for callback in one.manager.callbacks:
        callback()
    one.manager.new_process()


ENDS = {
    shut_down: "was shut down",
    shut_down_without_a_word: "was shut down",
    restart: "was restarted",
    restart_without_a_word: "was restarted",
    die: "died",
    die_and_come_back: "died",
}


@pytest.mark.parametrize(("end", "words"), ENDS.items(), ids=[end.__name__ for end in ENDS])
def test_a_run_that_waits_is_told_what_became_of_the_kernel(end: Any, words: str) -> None:
    async def job(one: Seat) -> None:
        run = await waiting_run(one)
        await end(one)
        await run.over.wait()
        with pytest.raises(KernelUnavailableError, match=f"{words} .*nothing was run.*Run again"):
            result_of(run)
        assert outputs_of(one.live) == []

    within(job)


@pytest.mark.parametrize(("end", "words"), ENDS.items(), ids=[end.__name__ for end in ENDS])
def test_a_run_is_told_what_became_of_the_kernel_and_the_cell_is_not(end: Any, words: str) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            kernel.stream("on")
            await asyncio.sleep(0.1)
            await end(one)

        with pytest.raises(KernelUnavailableError, match=f"{words} while the cell ran"):
            await one.run(script)
        assert [output["text"] for output in outputs_of(one.live)] == ["on"]
        assert one.live.document.ycells[0]["execution_state"] == "idle"
        one.managers["k"] = one.manager
        one.manager.alive = True
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


def test_a_kernel_that_is_shut_down_between_look_up_and_connecting_is_named_so() -> None:
    async def job(one: Seat) -> None:
        one.sessions.list_sessions = _stale(one)  # type: ignore[method-assign]
        del one.managers["k"]
        with pytest.raises(KernelUnavailableError, match="was shut down while the call waited"):
            await one.run()

    within(job)


def _stale(one: Seat) -> Any:
    async def sessions() -> list[dict[str, Any]]:
        return list(one.sessions.sessions.values())

    return sessions


def test_a_kernel_that_died_is_started_again_and_one_that_can_not_be_is_told() -> None:
    async def job(one: Seat) -> None:
        one.manager.alive = False
        assert [output["text"] for output in await one.run()] == ["hello"]
        one.manager.alive = False
        one.managers.fails = OSError("no memory")
        with pytest.raises(KernelUnavailableError, match="did not start again"):
            await one.run()

    within(job)


def test_a_kernel_that_dies_while_it_starts_is_told() -> None:
    async def job(one: Seat) -> None:
        one.fake.answers_info = False
        asyncio.get_running_loop().call_later(0.3, setattr, one.manager, "alive", False)
        with pytest.raises(KernelUnavailableError, match=r"died while it started; nothing was run.*set_kernel"):
            await one.run()

    within(job)


def test_a_kernel_that_never_answers_is_given_up() -> None:
    async def job(one: Seat) -> None:
        one.fake.answers_info = False
        with pytest.raises(KernelUnavailableError, match=r"did not answer within 0.5 s"):
            await one.run()

    within(job, ready=0.5)


def test_a_run_that_the_kernel_drops_is_told_and_the_kernel_kept() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.reply(status="aborted")

        with pytest.raises(KernelUnavailableError, match="dropped the run"):
            await one.run(script)
        assert outputs_of(one.live) == []

    within(job)
