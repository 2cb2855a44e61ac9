"""What a soak counts as lost, and what as growth."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.soak.judgement import Report, Sample, growing
from tests.soak.ledger import Ledger
from tests.soak.telling import markdown, write

MIB = 1 << 20


def samples(lives: int, each: int = 20, *, every: float = 5, **figures: float) -> list[Sample]:
    """Return samples of some lives; a figure rises by `…_life` from life to life, and by `…_step` in each."""
    noise = random.Random(1)  # noqa: S311 - a test's dice
    found = []
    for life in range(lives):
        for step in range(each):

            def figure(name: str, base: float, life: int = life, step: int = step) -> int:
                more = figures.get(f"{name}_life", 0) * life + figures.get(f"{name}_step", 0) * step
                return int(base + more + noise.uniform(-0.03, 0.03) * base)

            found.append(
                Sample(
                    life, (life * each + step) * every, figure("rss", 250 * MIB), figure("fds", 120),
                    figure("tasks", 200), figure("threads", 20), figure("journals", 5),
                )
            )  # fmt: skip
    return found


def test_figures_that_only_waver_do_not_grow() -> None:
    assert growing(samples(15)) == []
    assert growing(samples(1, 360)) == []


@pytest.mark.parametrize(
    ("figure", "by"), [("rss", 8 * MIB), ("fds", 5), ("tasks", 9), ("threads", 2), ("journals", 1.5)]
)
def test_what_rises_from_life_to_life_grows(figure: str, by: float) -> None:
    (fault,) = growing(samples(15, **{f"{figure}_life": by}))
    assert fault.startswith(f"{figure} grows from life to life")


@pytest.mark.parametrize(("figure", "by"), [("rss", MIB // 2), ("fds", 0.3), ("tasks", 0.5)])
def test_what_rises_through_a_long_life_grows(figure: str, by: float) -> None:
    (fault,) = growing(samples(1, 360, **{f"{figure}_step": by}))
    assert fault.startswith(f"{figure} grows while the server lives")


def test_a_short_life_that_warms_up_is_no_growth() -> None:
    assert growing(samples(1, 20, rss_step=5 * MIB)) == []
    assert growing(samples(15, 20, rss_step=5 * MIB)) == []


def test_a_soak_of_few_lives_is_not_compared() -> None:
    assert growing(samples(3, rss_life=100 * MIB)) == []


def told(ledger: Ledger, *sources: str) -> list[str]:
    return [fault.split(": ", 1)[1] for fault in ledger.faults(sources, "now")]


def test_an_acknowledged_edit_that_is_not_there_is_lost_and_told_once() -> None:
    ledger = Ledger("n.ipynb")
    ledger.begins("mark-a0-1")
    ledger.came("mark-a0-1")
    assert told(ledger, "# mark-a0-1") == []
    assert told(ledger) == ["mark-a0-1 was acknowledged and is lost (now)"]
    assert told(ledger) == []


def test_a_deleted_cell_that_is_there_came_back() -> None:
    ledger = Ledger("n.ipynb", present={"mark-a0-1"})
    ledger.begins("mark-a0-1")
    ledger.went("mark-a0-1")
    assert told(ledger) == []
    assert told(ledger, "mark-a0-1") == ["mark-a0-1 was deleted and came back (now)"]


def test_what_is_there_twice_or_from_nobody_is_told() -> None:
    ledger = Ledger("n.ipynb", present={"mark-a0-1"})
    assert told(ledger, "mark-a0-1", "mark-a0-1") == ["mark-a0-1 is there 2 times (now)"]
    assert told(ledger, "mark-a0-1 mark-a9-9") == ["mark-a9-9 was written by nobody (now)"]


def test_a_call_that_was_cut_short_may_have_been_done_or_not_and_is_known_then() -> None:
    ledger = Ledger("n.ipynb")
    for mark in ("mark-a0-1", "mark-a0-2"):
        ledger.begins(mark)
    assert told(ledger, "mark-a0-1") == []
    assert told(ledger) == ["mark-a0-1 was acknowledged and is lost (now)"]
    assert told(ledger, "mark-a0-2") == ["mark-a0-2 was deleted and came back (now)"]


def test_what_a_person_typed_may_come_later_with_the_tab() -> None:
    ledger = Ledger("n.ipynb")
    ledger.begins("mark-p0-1")
    assert told(ledger) == []
    assert told(ledger, "mark-p0-1") == []
    assert told(ledger) == ["mark-p0-1 was acknowledged and is lost (now)"]


def test_a_page_may_bring_its_deletion_after_the_cell_was_seen_once_more() -> None:
    """It asked for it just before the server was killed, and comes back to the next one after the look."""
    ledger = Ledger("n.ipynb", present={"mark-p0-1"})
    ledger.fades("mark-p0-1")
    assert told(ledger, "mark-p0-1") == []
    assert told(ledger) == []
    assert told(ledger, "mark-p0-1", "mark-p0-1") == ["mark-p0-1 is there 2 times (now)"]


def test_a_soak_fails_for_what_is_lost_broken_or_growing_and_if_nothing_was_tried() -> None:
    assert Report(acknowledged=1).faults() == []
    assert Report().faults() == ["no edit was acknowledged: nothing was tried"]
    assert Report(acknowledged=1, lost=["x"]).faults() == ["x"]
    assert Report(acknowledged=1, broken=["y"]).faults() == ["y"]
    assert Report(acknowledged=1, samples=samples(15, fds_life=5)).faults()


def test_the_report_is_written_for_programs_and_for_people(tmp_path: Path) -> None:
    report = Report(
        minutes=30, agents=20, calls={"done": 1234}, acknowledged=999, lost=["n.ipynb: gone"], samples=samples(2)
    )
    text = write(report, tmp_path)
    assert text == markdown(report)
    assert "failed" in text
    assert "| of them lost, doubled or come back | 1 |" in text
    assert json.loads((tmp_path / "report.json").read_text())["faults"] == ["n.ipynb: gone"]
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
