"""What the benchmarks make of their measures."""

from __future__ import annotations

import pytest

from benchmarks import cells, execution, load
from benchmarks.client import _messages
from benchmarks.samples import Results, Series, paired_ratio
from benchmarks.subjects import OURS
from benchmarks.targets import judge


def series(*values: float) -> Series:
    return Series("measure", "what", OURS, 0, "ms", list(values))


@pytest.mark.parametrize(
    ("values", "shown"), [((1.2345,), "1.23"), ((1368.0, 5.0, 12.34), "12.3 (5-1,370)"), ((), "-")]
)
def test_a_series_shows_its_median_and_its_spread(values: tuple[float, ...], shown: str) -> None:
    assert str(series(*values)) == shown


def test_a_ratio_pairs_what_was_measured_in_the_same_round() -> None:
    # The machine slowed down tenfold on the way; every pair says 2.
    assert paired_ratio(series(2, 20, 20), series(1, 10, 10)) == 2


def test_a_block_that_fails_adds_no_time() -> None:
    results = Results()
    with pytest.raises(KeyError), results.timing("measure", "what", OURS):
        raise KeyError
    assert results.all() == []


def test_targets_are_judged_on_what_was_measured() -> None:
    results = Results()
    for what, value in (("floor", 2.0), ("read", 2.9), ("insert", 3.1)):
        results.series(cells.MEASURE, what, OURS, 10).values.append(value)
    results.series(execution.MEASURE, f"{execution.SOURCE}, over the raw kernel", OURS).values.append(15.1)
    for subject, rate in ((OURS, 100.0), ("slow", 20.0), ("fast", 50.0)):
        results.series(load.MEASURE, load.inserts(10), subject, 8).values.append(rate)
    found = {target.promise.split(" <=")[0].split(", to the best")[0]: target.met for target in judge(results)}
    assert found == {
        "execute 1+1, over the raw kernel": False,
        "read at 10 cells, to the floor": True,
        "insert at 10 cells, to the floor": False,
        "inserts from 10 cells, 8 clients": True,
    }


@pytest.mark.parametrize(
    "body", [b'{"id":1}', b'[{"id":1}]', b'event: message\r\ndata: {"id":1}\r\n\r\n', b'data:\ndata: {"id":1}\n\n']
)
def test_the_client_reads_json_and_events(body: bytes) -> None:
    assert _messages(body) == [{"id": 1}]
