"""The garbage collector is set once, and as it was asked."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jupyter_mcp.garbage import tune


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the collector as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_the_start_is_frozen_and_the_young_are_looked_at_less_often() -> None:
    older = gc.get_threshold()[1:]
    tune(freeze=True, threshold=12_345)
    assert gc.get_threshold() == (12_345, *older)
    assert gc.get_freeze_count() > 1000


def test_both_can_be_left_as_they_are() -> None:
    before = gc.get_threshold()
    tune(freeze=False, threshold=0)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
