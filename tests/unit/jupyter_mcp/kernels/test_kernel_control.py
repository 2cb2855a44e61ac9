"""A notebook's kernel is listed, interrupted, restarted, shut down and exchanged, and each reply says what it did."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_mcp.errors import KernelUnavailableError, RunStoppedError
from jupyter_mcp.kernels import execution
from jupyter_mcp.kernels import kernel_control as control_module
from jupyter_mcp.kernels.kernel_control import KernelControl
from jupyter_mcp.kernels.runs import Run, State
from jupyter_mcp.notebooks.running import outputs_of
from tests.support.fake_kernel import FakeKernel, FakeManager, never_ends, obeys
from tests.support.fake_live import outputs_of as shown_in
from tests.support.seat import Seat, seat

WITHIN = 20.0


class Desk:
    """A seat, and the control of its kernels."""

    def __init__(self, one: Seat, root: str | None, within: float | None) -> None:
        self.one = one
        self.settings = {
            "session_manager": one.sessions,
            "kernel_manager": one.managers,
            "kernel_spec_manager": SimpleNamespace(get_all_specs=lambda: SPECS),
            "contents_manager": SimpleNamespace(root_dir=root),
        }
        self.control = KernelControl(self.settings, one.execution, within=within)
        self.others: list[FakeKernel] = []

    def another_kernel(self, name: str = "julia") -> FakeManager:
        """Let the next kernel that is started be another process, of this name."""
        fake = FakeKernel()
        self.others.append(fake)
        made = FakeManager(fake)
        made.kernel_name = name

        async def make(_: str | None) -> str:
            self.one.managers["new"] = made
            return "new"

        self.one.sessions.make = make
        return made

    def a_person_runs(self) -> None:
        """Have the kernel busy with somebody else's cell."""
        self.one.manager.execution_state = "busy"


SPECS: dict[str, Any] = {
    "python3": {"spec": {"display_name": "Python 3", "language": "python", "argv": ["x"]}},
    "julia": {"spec": {"display_name": "Julia", "language": "julia"}},
}
Job = Callable[[Desk], Awaitable[None]]


def within(job: Job, *sources: str, root: str | None = None, bound: float | None = 5, grace: float = 0.2) -> None:
    async def run() -> None:
        async with seat(*sources, grace=grace) as one:
            desk = Desk(one, root, bound)
            try:
                await asyncio.wait_for(job(desk), WITHIN)
            finally:
                if going_on := set(desk.control._tasks):  # they may connect to a kernel once more
                    await asyncio.wait(going_on, timeout=WITHIN)
                await one.execution.runs.close()
                await one.execution.close()
                for fake in desk.others:
                    await fake.stop()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - a test looks from outside
        await asyncio.sleep(0.005)


async def running(desk: Desk, at: int = 0) -> Run:
    """Return a run whose cell runs, for ever unless it is interrupted."""
    run = desk.one.start(never_ends, at)
    await until(lambda: bool(shown_in(desk.one.live, at)))
    return run


async def ended(run: Run) -> None:
    await run.over.wait()


# Listing.


def test_the_list_tells_specs_kernels_their_notebooks_pages_and_runs(tmp_path: Path) -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.sessions.note("copy.ipynb", "k", connections=2)
        one.managers["lonely"] = FakeManager(one.fake)
        run = await running(desk)
        told = await desk.control.listed()
        assert told["default"] == "python3"
        assert told["specs"] == [
            {"name": "julia", "display_name": "Julia", "language": "julia"},
            {"name": "python3", "display_name": "Python 3", "language": "python"},
        ]
        mine, lonely = told["kernels"]
        assert (mine["notebook"], mine["also"], mine["pages"]) == ("n.ipynb", ["copy.ipynb"], 2)
        assert [(r["run"], r["by"], r["state"]) for r in mine["runs"]] == [(run.id, "an agent", "running")]
        assert (lonely["notebook"], lonely["state"], "runs" in lonely) == (None, "idle", False)

    within(job, root=str(tmp_path))


def test_of_many_kernels_some_are_told_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "MOST_KERNELS", 1)

    async def job(desk: Desk) -> None:
        desk.one.managers["lonely"] = FakeManager(desk.one.fake)
        told = await desk.control.listed()
        assert (len(told["kernels"]), told["not_shown"]) == (1, 1)

    within(job)


def test_a_kernels_folder_is_told_from_the_root_or_as_it_is_and_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()

    async def job(desk: Desk) -> None:
        manager: Any = SimpleNamespace(provisioner=SimpleNamespace(pid=sleeper.pid))
        assert desk.control.cwd_of(manager) == "deep"
        manager.provisioner.pid = os.getpid()
        assert desk.control.cwd_of(manager) == str(Path.cwd())
        for odd in (None, "x", 0):
            manager.provisioner.pid = odd
            assert desk.control.cwd_of(manager) is None
        assert desk.control.cwd_of(SimpleNamespace()) is None

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path / "deep") as sleeper:
        within(job, root=str(tmp_path))
        sleeper.communicate(b"\n")


def test_the_language_is_the_running_kernels_or_its_specs_or_unknown() -> None:
    async def job(desk: Desk) -> None:
        manager = desk.one.manager
        assert await desk.control.language_of("n.ipynb") == "python"
        manager.kernel_spec = SimpleNamespace(language="R")
        assert await desk.control.language_of("n.ipynb") == "R"
        manager.kernel_spec, manager.kernel_name = None, "gone"
        assert await desk.control.language_of("n.ipynb") == ""
        with pytest.raises(KernelUnavailableError, match=r"No kernel runs for 'other\.ipynb'"):
            await desk.control.language_of("other.ipynb")

    within(job)


# Without a kernel.


@pytest.mark.parametrize("what", ["interrupt", "restart", "shut_down"])
def test_a_notebook_without_a_kernel_is_told_so(what: str) -> None:
    async def job(desk: Desk) -> None:
        with pytest.raises(KernelUnavailableError, match=r"No kernel runs for 'other\.ipynb'; the next run"):
            await getattr(desk.control, what)("other.ipynb", "an agent")
        desk.one.managers.clear()  # culled
        with pytest.raises(KernelUnavailableError, match="No kernel runs"):
            await getattr(desk.control, what)("n.ipynb", "an agent")

    within(job)


# Interrupt.


def test_a_kernel_that_does_nothing_is_not_interrupted() -> None:
    async def job(desk: Desk) -> None:
        assert "nothing to interrupt" in await desk.control.interrupt("n.ipynb", "an agent")
        assert desk.one.manager.interrupts == 0

    within(job)


def test_a_run_that_obeys_an_interrupt_is_interrupted() -> None:
    async def job(desk: Desk) -> None:
        run = await running(desk)
        desk.one.manager.on_interrupt = lambda: obeys(desk.one.fake)
        assert "The kernel obeyed" in await desk.control.interrupt("n.ipynb", "an agent")
        assert (run.state, run.stopped_for) == (State.INTERRUPTED, "was interrupted by an agent")

    within(job)


def test_a_run_that_ignores_an_interrupt_goes_on_and_is_said_to() -> None:
    async def job(desk: Desk) -> None:
        run = await running(desk)
        told = await desk.control.interrupt("n.ipynb", "an agent")
        assert "has not obeyed" in told
        assert "restart_kernel" in told
        assert run.state is State.RUNNING

    within(job)


def test_a_cell_that_ends_by_itself_is_not_called_interrupted() -> None:
    async def job(desk: Desk) -> None:
        one = desk.one
        one.fake.script = never_ends
        run = one.running.begin(one.live, one.running.cells(one.live, by="an agent"))
        await until(lambda: bool(shown_in(one.live)))
        one.manager.on_interrupt = one.fake.done
        told = await desk.control.interrupt("n.ipynb", "an agent")
        assert "came to its end before it was interrupted: done" in told
        assert [str(step.state) for step in run.steps] == ["done", "skipped"]

    within(job, "one", "two")


def test_a_kernel_that_dies_of_an_interrupt_is_said_to_have_died() -> None:
    async def job(desk: Desk) -> None:
        await running(desk)
        desk.one.manager.on_interrupt = lambda: setattr(desk.one.manager, "alive", False)
        assert "The kernel died while the cell ran" in await desk.control.interrupt("n.ipynb", "an agent")

    within(job, grace=3)


def test_a_persons_cell_that_obeys_ends() -> None:
    async def job(desk: Desk) -> None:
        desk.a_person_runs()
        desk.one.manager.on_interrupt = lambda: setattr(desk.one.manager, "execution_state", "idle")
        assert "somebody else's" in await desk.control.interrupt("n.ipynb", "an agent")

    within(job)


def test_a_persons_cell_that_ignores_an_interrupt_goes_on() -> None:
    async def job(desk: Desk) -> None:
        desk.a_person_runs()
        assert "has not obeyed within 0.2 s" in await desk.control.interrupt("n.ipynb", "an agent")

    within(job)


def culled(desk: Desk) -> None:
    desk.one.managers.clear()


def restarted(desk: Desk) -> None:
    desk.one.manager.new_process()


def died(desk: Desk) -> None:
    desk.one.manager.alive = False


@pytest.mark.parametrize(("change", "words"), [(culled, "was shut down"), (restarted, "was restarted"), (died, "died")])
@pytest.mark.parametrize("grace", [0.05, 2.0])
def test_a_kernel_that_goes_away_under_a_persons_cell_has_not_obeyed(
    change: Callable[[Desk], None], words: str, grace: float
) -> None:
    async def job(desk: Desk) -> None:
        desk.a_person_runs()
        desk.one.manager.on_interrupt = lambda: change(desk)
        told = await desk.control.interrupt("n.ipynb", "an agent")
        assert f"The kernel {words} meanwhile" in told
        assert "variables are gone" in told

    within(job, grace=grace)


def test_a_kernel_that_can_not_be_interrupted_is_told() -> None:
    async def job(desk: Desk) -> None:
        def fail() -> None:
            raise ProcessLookupError

        desk.a_person_runs()
        desk.one.manager.on_interrupt = fail
        with pytest.raises(KernelUnavailableError, match=r"can't be interrupted \(ProcessLookupError\)"):
            await desk.control.interrupt("n.ipynb", "an agent")

    within(job)


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


# What a run waits for.


@pytest.mark.parametrize(
    ("state", "words"),
    [("starting", execution.START), ("idle", execution.ANSWER), ("busy", execution.OTHERS_CELL)],
)
def test_a_run_that_waits_for_the_kernels_answer_says_what_the_kernel_does(state: str, words: str) -> None:
    async def job(desk: Desk) -> None:
        desk.one.fake.answers_info = False
        desk.one.manager.execution_state = "starting"
        run = desk.one.start(None)
        await until(lambda: run.waits_for == execution.START and "kernel_info_request" in desk.one.fake.asked)
        desk.one.manager.execution_state = state
        assert run.waits_for == words
        run.stop("was stopped by a test")
        await ended(run)

    within(job)
