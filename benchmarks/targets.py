"""The targets that this project has set itself, against what a run measured."""

from __future__ import annotations

from dataclasses import dataclass

from . import cells, crash, execution, load, start
from .samples import Results, Series, paired_ratio
from .subjects import OURS

TIMES_THE_PEERS = 2


@dataclass(frozen=True)
class Target:
    """One promise, the figure that a run gives for it, and whether it is kept."""

    promise: str
    measured: str
    met: bool


def judge(results: Results) -> list[Target]:
    """Compare what was measured with the targets; a target whose measure was not taken is left out."""
    return [
        *_start(results),
        *_execution(results),
        *_growth(results),
        *_floor(results),
        *_whole(results),
        *_rates(results),
        *_memory(results),
        *_durable(results),
    ]


def _at_most(promise: str, value: float, limit: float, unit: str) -> Target:
    return Target(f"{promise} <= {limit:g}{unit}", f"{value:.2f}{unit}", value <= limit)


def _start(results: Results) -> list[Target]:
    found = []
    for what in (start.ANSWERS, start.PROCESSOR):
        ours, plain = (results.find(start.MEASURE, what, name) for name in (OURS, start.PLAIN))
        if ours and plain:
            found.append(_at_most(f"start to {what}, to plain JupyterLab's", paired_ratio(ours, plain), 1.05, "x"))
    return found


def _least_of_the_peers(results: Results, series: Series) -> float | None:
    """Return the least median that a peer has for the same."""
    same = [
        one.p50
        for one in results.all()
        if (one.measure, one.what, one.x) == (series.measure, series.what, series.x)
        and one.subject != OURS
        and one.values
    ]
    return min(same, default=None)


def _whole(results: Results) -> list[Target]:
    found = []
    for what, unit in (("whole notebook, reply", " KB"), ("whole notebook", " ms")):
        ours = results.find(cells.MEASURE, what, OURS, 1000)
        if ours and ours.values and (least := _least_of_the_peers(results, ours)) is not None:
            found.append(_at_most(f"{what}, at 1,000 cells, to the best peer's", ours.p50, round(least, 2), unit))
    return found


def _memory(results: Results) -> list[Target]:
    ours = results.find(load.MEASURE, load.MEMORY, OURS)
    if not ours or (least := _least_of_the_peers(results, ours)) is None:
        return []
    return [_at_most("memory after the load, to the best peer's", ours.p50, round(least, 1), " MB")]


def _execution(results: Results) -> list[Target]:
    over = results.find(execution.MEASURE, f"{execution.SOURCE}, over the raw kernel", OURS)
    dead = results.find(execution.MEASURE, "a killed kernel is noticed", OURS)
    found = []
    if over and over.values:
        found.append(_at_most(f"execute {execution.SOURCE}, over the raw kernel", over.p50, 15, " ms"))
    if dead and dead.values:
        found.append(_at_most("a killed kernel is noticed", dead.p50, 2, " s"))
    return found


def _growth(results: Results) -> list[Target]:
    small = results.find(cells.MEASURE, "insert", OURS, 10)
    large = results.find(cells.MEASURE, "insert", OURS, 5000)
    if not small or not large:
        return []
    return [_at_most("insert at 5,000 cells, to insert at 10", large.p50 / small.p50, 1.3, "x")]


def _floor(results: Results) -> list[Target]:
    found = []
    for size in (10, 1000):
        floor = results.find(cells.MEASURE, "floor", OURS, size)
        for what in ("read", "insert", "update", "delete"):
            series = results.find(cells.MEASURE, what, OURS, size)
            if floor and series:
                found.append(_at_most(f"{what} at {size:,} cells, to the floor", paired_ratio(series, floor), 1.5, "x"))
    return found


def _rates(results: Results) -> list[Target]:
    found = []
    for cells_before in load.STARTS:
        series = [one for one in results.all() if (one.measure, one.what) == (load.MEASURE, load.inserts(cells_before))]
        for count in sorted({one.x for one in series}):
            ours = [one.p50 for one in series if (one.x, one.subject) == (count, OURS)]
            peers = [one.p50 for one in series if one.x == count and one.subject != OURS]
            if ours and peers:
                ratio = ours[0] / max(peers)
                promise = f"{load.inserts(cells_before)}, {count} clients, to the best peer's >= {TIMES_THE_PEERS}x"
                found.append(Target(promise, f"{ratio:.2f}x", ratio >= TIMES_THE_PEERS))
    return found


def _durable(results: Results) -> list[Target]:
    lost = [one for one in results.all() if (one.measure, one.subject) == (crash.MEASURE, OURS)]
    if not lost:
        return []
    total = sum(one.values[0] for one in lost)
    return [Target("acknowledged edits lost or doubled by kill -9 = 0", f"{total:g}", total == 0)]
