"""The comparison that decides a conformance run."""

from __future__ import annotations

import pytest

from .errors import ExpectationError
from .verdicts import judge, read_expected

GOOD = {"s": {("scenario", "check"): "SUCCESS", ("scenario", "other"): "FAILURE"}}
EXPECTED = read_expected("s scenario other  # not implemented upstream")


def test_a_run_as_expected_has_no_fault() -> None:
    assert judge(GOOD, GOOD, EXPECTED) == []


def test_an_unexpected_failure_is_a_fault() -> None:
    assert judge(GOOD, GOOD, []) == ["unexpected failure: s scenario other"]


def test_an_unexpected_pass_is_a_fault() -> None:
    passed = {"s": {**GOOD["s"], ("scenario", "other"): "SUCCESS"}}
    assert judge(passed, passed, EXPECTED) == ["unexpected pass: s scenario other; take its line out"]


def test_an_expected_check_that_was_not_made_is_a_fault() -> None:
    short = {"s": {("scenario", "check"): "SUCCESS"}}
    assert judge(short, short, EXPECTED) == ["unexpected pass: s scenario other; take its line out"]


@pytest.mark.parametrize("status", ["WARNING", "INFO", "FAILURE"])
def test_a_difference_between_the_mounts_is_a_fault(status: str) -> None:
    other = {"s": {**GOOD["s"], ("scenario", "check"): status}}
    faults = judge(other, GOOD, EXPECTED)
    assert faults[0] == f"different: s scenario check: {status} through the bridge, SUCCESS on uvicorn"


def test_a_check_that_only_one_mount_made_is_a_fault() -> None:
    more = {"s": {**GOOD["s"], ("scenario", "third"): "SUCCESS"}}
    assert judge(more, GOOD, EXPECTED) == [
        "different: s scenario third: SUCCESS through the bridge, not run on uvicorn"
    ]


def test_an_expectation_of_a_suite_that_did_not_run_is_no_fault() -> None:
    assert judge({}, {}, EXPECTED) == []


@pytest.mark.parametrize("line", ["s scenario other", "s scenario other  # ", "s scenario  # why", "s a b c  # why"])
def test_an_expected_failure_needs_its_reason(line: str) -> None:
    with pytest.raises(ExpectationError, match="Line 1"):
        read_expected(line)
