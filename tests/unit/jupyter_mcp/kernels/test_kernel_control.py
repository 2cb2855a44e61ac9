"""A notebook's kernel is listed and interrupted, and each reply says what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.kernels import execution
from jupyter_mcp.kernels import kernel_control as control_module
from jupyter_mcp.kernels.runs import State
from tests.support.desk import Desk, ended, running, until, within
from tests.support.fake_kernel import FakeManager, never_ends, obeys
from tests.support.fake_live import outputs_of as shown_in

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


def test_a_kernel_whose_first_words_jupyter_missed_is_told_as_we_hear_it() -> None:
    """Jupyter takes it for one that starts until it says something again, which a silent cell does not."""

    async def job(desk: Desk) -> None:
        desk.one.manager.on_interrupt = lambda: obeys(desk.one.fake)
        run = await running(desk)
        desk.one.manager.execution_state = "starting"
        state = (await desk.control.listed())["kernels"][0]["state"]
        assert state == "busy"
        run.stop("enough")
        await ended(run)
        assert (await desk.control.listed())["kernels"][0]["state"] == "idle"
        desk.one.manager.provisioner.pid = -1  # a new process, of which we have heard nothing
        assert (await desk.control.listed())["kernels"][0]["state"] == "starting"

    within(job)


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
