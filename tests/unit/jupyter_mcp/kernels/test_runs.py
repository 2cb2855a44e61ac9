"""A run belongs to its notebook: it goes on by itself, is stopped by its id, and what is told of it is true."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from jupyter_mcp.errors import (
    ExecutionTimeoutError,
    KernelBusyError,
    KernelUnavailableError,
    RunMissingError,
    RunStoppedError,
    TooManyError,
)
from jupyter_mcp.kernels import runs as runs_module
from jupyter_mcp.kernels.runs import Run, Runs, State, Step
from jupyter_mcp.notebooks.running import outputs_of
from tests.support.fake_kernel import FakeKernel
from tests.support.fake_live import outputs_of as shown_in
from tests.support.seat import Seat, seat

WITHIN = 20.0


def within(test: Callable[[Seat], Awaitable[None]], *sources: str, grace: float = 0.2) -> None:
    async def run() -> None:
        async with seat(*sources, grace=grace) as one:
            await test(one)

    asyncio.run(run())


async def over(run: Run) -> None:
    await asyncio.wait_for(run.over.wait(), WITHIN)


async def until(true: Callable[[], bool]) -> None:
    async def look() -> None:
        while not true():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), WITHIN)


async def ignores_interrupts(kernel: FakeKernel) -> None:
    """Say busy, print, and go on for ever."""
    kernel.status("busy")
    kernel.stream("on")


def interrupted(kernel: FakeKernel) -> None:
    """Do what a Python kernel does when it is interrupted."""
    error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
    kernel.publish("error", error)
    kernel.reply(status="error", execution_count=1, **error)
    kernel.status("idle")


def obeying(one: Seat, end: Callable[[FakeKernel], None] = interrupted) -> Callable[[FakeKernel], Awaitable[None]]:
    async def script(kernel: FakeKernel) -> None:
        one.manager.on_interrupt = lambda: end(kernel)
        await ignores_interrupts(kernel)

    return script


def state_of(run: Run) -> State:
    """Return the state as it is now; a test looks again and again."""
    return run.state


def names(one: Seat) -> list[str | None]:
    return [output.get("ename") for output in shown_in(one.live)]


def test_a_run_tells_its_state_its_outputs_so_far_its_count_and_who_asked() -> None:
    async def job(one: Seat) -> None:
        go = asyncio.Event()

        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            kernel.stream("first")
            await go.wait()
            kernel.stream(" second")
            kernel.done(execution_count=7)

        run = one.start(script)
        assert state_of(run) is State.QUEUED
        (step,) = run.steps
        await until(lambda: bool(step.outputs))
        assert state_of(run) is State.RUNNING
        assert [output["text"] for output in step.outputs or []] == ["first"]
        assert one.running.runs.of_cell(one.live.room_id, "a") == (run, step)
        go.set()
        await over(run)
        assert (run.state, run.by, step.count) == (State.DONE, "an agent", 7)
        assert [output["text"] for output in outputs_of(run)] == ["first second"]
        assert one.running.runs.get(run.id) is run

    within(job)


def test_a_cell_that_raises_is_in_error_and_not_a_fault() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            error = {"ename": "ValueError", "evalue": "x", "traceback": []}
            kernel.publish("error", error)
            kernel.reply(status="error", execution_count=1, **error)
            kernel.status("idle")

        run = one.start(script)
        await over(run)
        assert run.state is State.ERROR
        assert [output["ename"] for output in outputs_of(run)] == ["ValueError"]

    within(job)


def test_a_stop_interrupts_and_the_cell_shows_what_the_kernel_said_and_nothing_else() -> None:
    async def job(one: Seat) -> None:
        run = one.start(obeying(one))
        await until(lambda: bool(shown_in(one.live)))
        run.stop("was stopped by a test")
        await over(run)
        assert run.state is State.INTERRUPTED
        assert one.manager.interrupts == 1
        assert names(one) == [None, "KeyboardInterrupt"]
        assert len(outputs_of(run)) == 2
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


def test_a_kernel_that_ignores_a_stop_is_said_to_and_the_run_goes_on_until_it_ends() -> None:
    async def job(one: Seat) -> None:
        run = one.start(ignores_interrupts)
        await until(lambda: bool(shown_in(one.live)))
        run.stop("was stopped by a test")
        await asyncio.wait_for(run.ignored.wait(), WITHIN)
        assert state_of(run) is State.RUNNING
        assert one.live.document.ycells[0]["execution_state"] == "running"
        with pytest.raises(KernelBusyError, match="busy with another cell"):
            await one.run(seconds=0.2)
        run.stop("was stopped again")
        await until(lambda: one.manager.interrupts == 2)
        one.fake.stream(" and on")
        one.fake.done()
        await over(run)
        assert run.state is State.DONE
        assert "went on to its end" in run.notices[0]
        assert [output["text"] for output in shown_in(one.live)] == ["on and on"]

    within(job)


def test_a_timeout_interrupts_and_says_so_outside_the_cell() -> None:
    async def job(one: Seat) -> None:
        with pytest.raises(ExecutionTimeoutError, match=r"ran over 0.3 s and was interrupted"):
            await one.run(obeying(one), seconds=0.3)
        assert names(one) == [None, "KeyboardInterrupt"]

    within(job)


def test_a_timeout_that_the_kernel_ignores_is_known_and_the_run_goes_on() -> None:
    async def job(one: Seat) -> None:
        run = one.start(ignores_interrupts, seconds=0.3)
        await asyncio.wait_for(run.ignored.wait(), WITHIN)
        assert (run.state, run.stopped_for) == (State.RUNNING, "ran over 0.3 s")
        assert one.manager.interrupts == 1
        assert names(one) == [None]

    within(job)


def test_an_interrupt_that_fails_ends_nothing() -> None:
    async def job(one: Seat) -> None:
        def fail(_: FakeKernel) -> None:
            raise ProcessLookupError

        run = one.start(obeying(one, fail), seconds=0.3)
        await asyncio.wait_for(run.ignored.wait(), WITHIN)
        one.fake.done()
        await over(run)
        assert run.state is State.DONE

    within(job)


def test_a_run_that_waits_is_stopped_without_being_run() -> None:
    async def job(one: Seat) -> None:
        first = one.start(obeying(one))
        await until(lambda: bool(shown_in(one.live)))
        second = one.start(obeying(one), at=1)
        await until(lambda: second.kernel_id is not None)
        assert one.running.runs.ahead_of(second) == [first]
        second.stop("was stopped by a test")
        await over(second)
        assert state_of(second) is State.INTERRUPTED
        with pytest.raises(RunStoppedError, match=r"stopped before it began.*nothing was run"):
            outputs_of(second)
        assert one.manager.interrupts == 0
        assert first.state is State.RUNNING

    within(job, "one", "two")


def test_a_cell_that_waits_in_the_kernel_is_interrupted_when_it_begins_and_not_before() -> None:
    async def job(one: Seat) -> None:
        begin = asyncio.Event()

        async def script(kernel: FakeKernel) -> None:
            await begin.wait()
            await obeying(one)(kernel)

        run = one.start(script, seconds=0.2)
        await asyncio.wait_for(run.ignored.wait(), WITHIN)
        assert one.manager.interrupts == 0
        begin.set()
        await over(run)
        assert one.manager.interrupts == 1
        assert run.state is State.INTERRUPTED

    within(job)


def test_runs_of_one_kernel_go_in_the_order_in_which_they_were_asked_for() -> None:
    async def job(one: Seat) -> None:
        came: list[str] = []

        async def script(kernel: FakeKernel) -> None:
            came.append(kernel.code)
            kernel.status("busy")
            await asyncio.sleep(0.01)
            kernel.done()

        runs = [one.start(script, at=at) for at in (2, 0, 1)]
        for run in runs:
            await over(run)
        assert came == ["three", "one", "two"]

    within(job, "one", "two", "three")


def test_cells_are_run_in_order_and_nothing_after_the_first_that_fails() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            if kernel.code == "two":
                kernel.reply(status="error", ename="E", evalue="", traceback=[])
                kernel.status("idle")
            else:
                kernel.stream(kernel.code)
                kernel.done()

        one.fake.script = script
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent"))
        await over(run)
        assert [str(step.state) for step in run.steps] == ["done", "error", "skipped"]
        assert run.state is State.ERROR
        run = one.running.begin(
            one.live, one.running.cells(one.live, by="an agent", ids=["c", "b", "a"], stop_on_error=False)
        )
        await over(run)
        assert [str(step.state) for step in run.steps] == ["done", "error", "done"]
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent", start=1, stop=2))
        await over(run)
        assert [step.cell_id for step in run.steps] == ["b"]

    within(job, "one", "two", "three")


def test_a_stop_of_many_cells_leaves_out_the_rest() -> None:
    async def job(one: Seat) -> None:
        one.fake.script = obeying(one)
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent", stop_on_error=False))
        await until(lambda: run.current is not None)
        run.stop("was stopped by a test")
        await over(run)
        assert [str(step.state) for step in run.steps] == ["interrupted", "skipped"]
        assert one.manager.interrupts == 1

    within(job, "one", "two")


def test_a_kernel_that_dies_ends_the_whole_run() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            one.manager.alive = False

        one.fake.script = script
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent", stop_on_error=False))
        await over(run)
        assert [str(step.state) for step in run.steps] == ["error", "skipped"]
        assert isinstance(run.steps[0].fault, KernelUnavailableError)

    within(job, "one", "two")


def test_a_cell_that_was_deleted_before_its_turn_is_told_and_the_others_run() -> None:
    async def job(one: Seat) -> None:
        one.fake.script = None
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent", stop_on_error=False))
        del one.live.document.ycells[0]
        await over(run)
        assert [str(step.state) for step in run.steps] == ["error", "done"]
        assert "No cell with id 'a'" in str(run.steps[0].fault)

    within(job, "one", "two")


def test_code_without_a_cell_leaves_the_notebook_and_the_history_alone() -> None:
    async def job(one: Seat) -> None:
        before = str(one.live.document.ydoc.get_state())
        run = one.running.code(one.live, "look()", by="an agent")
        await over(run)
        assert [output["text"] for output in outputs_of(run)] == ["look()"]
        assert str(one.live.document.ydoc.get_state()) == before
        assert one.fake.content["store_history"] is False
        assert (await one.run())[0]["text"] == "hello"
        assert one.fake.content["store_history"] is True

    within(job)


def test_a_fault_of_ours_ends_the_run_and_whoever_asks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def job(one: Seat) -> None:
        async def broken(*_: object) -> str:
            raise ZeroDivisionError

        one.kernels.id_of = broken  # type: ignore[method-assign, assignment]
        run = one.start()
        await over(run)
        assert run.state is State.ERROR
        with pytest.raises(ZeroDivisionError):
            outputs_of(run)

    with caplog.at_level(logging.CRITICAL, "seat"):
        within(job)


async def at_once() -> None:
    pass


def registry() -> Runs:
    return Runs(logging.getLogger("runs"))


def a_run(room: str = "r", cells: int = 1) -> Run:
    return Run(room, "n.ipynb", "an agent", [Step(f"c{number}") for number in range(cells)])


def test_ended_runs_are_kept_a_while_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    async def job() -> None:
        runs = registry()
        made = [a_run() for _ in range(5)]
        for run in made:
            runs.start(run, at_once())
            await over(run)
        for run in made[:2]:
            with pytest.raises(RunMissingError, match="get_cell"):
                runs.get(run.id)
        assert runs.get(made[-1].id) is made[-1]
        monkeypatch.setattr(runs_module, "KEPT_FOR", 0)
        with pytest.raises(RunMissingError):
            runs.get(made[-1].id)
        assert runs.of_cell("r", "c0") is None

    monkeypatch.setattr(runs_module, "MOST_ENDED", 3)
    asyncio.run(job())


def test_too_many_runs_are_refused_and_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def job() -> None:
        runs, never = registry(), asyncio.Event()

        async def waits() -> None:
            await never.wait()

        for _ in range(2):
            runs.start(a_run(), waits())
        with pytest.raises(TooManyError, match="nothing was run"):
            runs.start(a_run(), waits())
        await runs.close()

    monkeypatch.setattr(runs_module, "MOST_ACTIVE", 2)
    asyncio.run(job())


def test_the_oldest_outputs_are_let_go_but_not_those_that_somebody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def job() -> None:
        runs = registry()
        steps = [Step(str(number)) for number in range(4)]
        with steps[0].held():
            for step in steps:
                step.kept = [{"output_type": "stream", "name": "stdout", "text": "x" * 60}]
                runs.end(step, State.DONE)
            assert [step.outputs is None for step in steps] == [False, True, True, False]

    monkeypatch.setattr(runs_module, "KEPT_BYTES", 150)
    asyncio.run(job())


def test_the_end_of_the_server_ends_runs_without_an_interrupt_and_their_outputs_are_written() -> None:
    async def job(one: Seat) -> None:
        run = one.start(ignores_interrupts)
        await until(lambda: bool(shown_in(one.live)))
        one.fake.stream(" to the last")
        await until(lambda: "last" in str(run.steps[0].outputs))
        await one.running.runs.close()
        assert run.over.is_set()
        assert one.manager.interrupts == 0
        assert [output["text"] for output in shown_in(one.live)] == ["on to the last"]
        assert one.live.document.ycells[0]["execution_state"] == "idle"

    within(job)
