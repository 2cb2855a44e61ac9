"""What comes after a run has ended goes on in its cell, until the cell is cleared, deleted or run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jupyter_mcp.kernels import late_output as module
from jupyter_mcp.kernels.late_output import Ended, LateOutput
from jupyter_mcp.kernels.output_limit import NOTICE, Allowance
from jupyter_mcp.kernels.outputs import OutputSink
from jupyter_mcp.rooms.live import Live
from tests.support.fake_live import notebook_of, outputs_of


class Cell:
    """A cell whose run has ended, and what takes its late output."""

    def __init__(self, *texts: str, size: int = 1 << 20) -> None:
        self.live: Live = notebook_of("x", "y")
        self.sink = OutputSink(self.live, "a", Allowance(size, 1000))
        self.sink.begin()
        for text in texts:
            self.sink.take("stream", {"name": "stdout", "text": text})
        self.shared: Any = self.live.document.ycells[0]

    def ends(self, *, count: int = 1) -> LateOutput:
        self.sink.end(count)
        return LateOutput(self.sink, count)

    @property
    def texts(self) -> list[str]:
        return [str(one.get("text") or one["data"]["text/plain"]) for one in outputs_of(self.live)]


def within(job: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(job(), 20))  # type: ignore[arg-type]


def prints(late: LateOutput, text: str, name: str = "stdout") -> None:
    late.take("stream", {"name": name, "text": text})


def shows(late: LateOutput | OutputSink, text: str, display_id: str = "", kind: str = "display_data") -> None:
    transient = {"display_id": display_id} if display_id else {}
    late.take(kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient})


def test_late_prints_go_on_in_the_last_stream_or_begin_another() -> None:
    async def job() -> None:
        cell = Cell("run ")
        late = cell.ends()
        prints(late, "late ")
        prints(late, "later")
        prints(late, "odd", "stderr")
        assert cell.texts == ["run "]  # written together, a little later
        late._flush()
        assert cell.texts == ["run late later", "odd"]
        prints(late, "x\ry", "stderr")
        late._flush()
        assert cell.texts == ["run late later", "yddx"]

    within(job)


def test_a_late_progress_bar_is_its_last_state_in_an_empty_cell_too() -> None:
    async def job() -> None:
        cell = Cell()
        late = cell.ends()
        prints(late, "10 %\r")
        late._flush()
        prints(late, "20 %\r90 %")
        late._flush()
        assert cell.texts == ["90 %"]

    within(job)


def test_a_late_display_is_shown_and_updated_also_by_another_cell() -> None:
    async def job() -> None:
        cell = Cell()
        shows(cell.sink, "in the run", "d")
        late = cell.ends()
        shows(late, "late", "e")
        late._flush()
        assert cell.texts == ["in the run", "late"]
        shows(late, "changed", "d", "update_display_data")
        late._flush()  # finds its place
        late._flush()  # and shows it
        assert cell.texts == ["changed", "late"]
        cell.sink.displays.update(
            {"data": {"text/plain": "by another"}, "metadata": {}, "transient": {"display_id": "e"}}
        )
        late._flush()
        assert cell.texts == ["changed", "by another"]

    within(job)


@pytest.mark.parametrize("wait", [True, False])
def test_a_late_clear_empties_the_cell_at_once_or_before_the_next_output(wait: bool) -> None:
    async def job() -> None:
        cell = Cell("run")
        late = cell.ends()
        late.take("clear_output", {"wait": wait})
        late._flush()
        assert cell.texts == (["run"] if wait else [])
        shows(late, "new")
        late._flush()
        assert cell.texts == ["new"]

    within(job)


def test_a_clear_that_the_run_left_open_comes_before_the_late_output() -> None:
    async def job() -> None:
        cell = Cell("run")
        cell.sink.take("clear_output", {"wait": True})
        late = cell.ends()
        prints(late, "new")
        late._flush()
        assert cell.texts == ["new"]

    within(job)


def test_late_output_is_limited_as_the_runs_was_and_room_comes_back_with_a_clear() -> None:
    async def job() -> None:
        cell = Cell("x" * 800, size=1000)
        late = cell.ends()
        prints(late, "y" * 500)
        assert late.full
        late._flush()
        assert NOTICE in cell.texts[-1]
        assert sum(map(len, cell.texts)) < 1200
        late.take("clear_output", {"wait": True})
        assert not late.full
        prints(late, "z" * 100)
        late._flush()
        assert cell.texts == ["z" * 100]
        late.take("clear_output", {"wait": False})
        late._flush()
        assert cell.texts == []

    within(job)


def test_an_update_that_is_too_large_is_refused_with_a_notice() -> None:
    async def job() -> None:
        cell = Cell(size=1000)
        shows(cell.sink, "small", "d")
        late = cell.ends()
        late.replace(0, {"data": {"text/plain": "x" * 2000}, "metadata": {}})
        late._flush()
        assert cell.texts[0] == "small"
        assert NOTICE in cell.texts[1]

    within(job)


def run_again(cell: Cell) -> None:
    cell.shared["execution_state"] = "running"


def counted_anew(cell: Cell) -> None:
    cell.shared["execution_count"] = 7.0


def deleted(cell: Cell) -> None:
    del cell.live.document.ycells[0]


def without_outputs(cell: Cell) -> None:
    cell.shared["outputs"] = "odd"


def room_closed(cell: Cell) -> None:
    cell.live.released = True


@pytest.mark.parametrize("end", [run_again, counted_anew, deleted, without_outputs, room_closed])
@pytest.mark.parametrize("swept", [True, False])
def test_late_output_ends_when_the_cell_is_no_longer_that_runs(end: Callable[[Cell], None], swept: bool) -> None:
    async def job() -> None:
        cell = Cell("run")
        late = cell.ends()
        prints(late, "late")
        end(cell)
        if swept:
            late.check()
        else:
            late._flush()
        assert late.over
        assert late.full
        before = cell.texts if end in (run_again, counted_anew) else []
        prints(late, "more")
        late.replace(0, {"data": {}, "metadata": {}})
        assert late._timer is None
        if before:
            assert cell.texts == before == ["run"]

    within(job)


def test_a_cell_that_a_person_cleared_shows_what_comes_later_and_old_displays_are_forgotten() -> None:
    async def job() -> None:
        cell = Cell()
        shows(cell.sink, "in the run", "d")
        late = cell.ends()
        cell.shared["outputs"].clear()
        cell.shared["execution_count"] = None
        cell.sink.displays.update({"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "d"}})
        prints(late, "late")
        late._flush()
        assert cell.texts == ["late"]

    within(job)


def test_nothing_is_written_while_upstream_writes() -> None:
    async def job() -> None:
        cell = Cell("run ")
        late = cell.ends()
        prints(late, "late")
        room: Any = cell.live.room
        async with room._update_lock:
            late._flush()
            assert cell.texts == ["run "]
        late._flush()
        assert cell.texts == ["run late"]
        late.end()

    within(job)


def test_the_last_run_of_each_cell_is_remembered_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ENDED", 2)

    async def job() -> None:
        ended, lates = Ended(), [Cell().ends() for _ in range(4)]
        for number, late in enumerate(lates):
            assert ended.add(str(number), late) is late
        assert [late.over for late in lates] == [True, True, False, False]
        assert (len(ended), ended.get("0"), ended.get("3")) == (2, None, lates[3])
        ended.forget(lates[3].live, "b")
        assert len(ended) == 2
        ended.forget(lates[3].live, "a")  # all of that room's: the fakes share one
        assert len(ended) == 0
        ended.add("4", Cell().ends())
        again = ended.add("5", Cell().ends())
        again.live.released = True
        ended.sweep()
        assert len(ended) == 1
        ended.clear()
        assert len(ended) == 0

    within(job)
