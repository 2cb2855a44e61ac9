"""A change of a text is taken back without what others changed since, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.notebooks.text_merge import merged


@pytest.mark.parametrize(
    ("before", "after", "now", "wanted"),
    [
        ("a\nb\nc", "a\nB\nc", "a\nB\nc", "a\nb\nc"),  # nobody else
        ("a\nb\nc", "a\nB\nc", "a\nB\nc\nd", "a\nb\nc\nd"),
        ("a\nb\nc", "a\nB\nc", "0\na\nB\nc", "0\na\nb\nc"),
        ("x = 1", "x = 2", "y = 2", "y = 1"),
        ("a\n", "a\nX\n", "a\nX\nY\n", "a\nY\n"),  # beside a line of the agent's
        ("a\nb", "a\nX\nb", "a\nY\nX\nb", "a\nY\nb"),
        ("a", "a\nX", "a\nX\nY", "a\nY"),
        ("", "X\n", "X\nY", "Y"),
        ("a\nb", "b", "b\nc", "a\nb\nc"),  # the agent took a line away
        ("漢\nb", "漢\nB", "字漢\nB", "字漢\nb"),
        ("a\nb\nc", "a\nB\nc", "a\nb\nc", "a\nb\nc"),  # somebody took it back already
    ],
)
def test_what_others_changed_elsewhere_stays(before: str, after: str, now: str, wanted: str) -> None:
    assert merged(after, now, before) == wanted


@pytest.mark.parametrize(
    ("before", "after", "now"),
    [
        ("x = 1", "x = 2", "x = 23"),  # typed at the end of the agent's number
        ("a\nb\nc", "a\nB\nc", "a\nBB\nc"),
        ("total", "total = f(a, b)", "total = f(a, c)"),
        ("a\nb", "a", "a\nc"),  # both at the same place: in which order, nobody knows
        ("", "X", "XY"),
    ],
)
def test_who_changed_the_same_place_is_left_alone(before: str, after: str, now: str) -> None:
    assert merged(after, now, before) is None


TEXT = st.text(alphabet="ab\n", max_size=12)


@given(TEXT, TEXT, st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["1", "2\n", "\n3"])), max_size=4))
def test_no_character_that_somebody_typed_since_is_lost(before: str, after: str, typed: list[tuple[int, str]]) -> None:
    now = after
    for at, text in typed:
        now = now[:at] + text + now[at:]
    result = merged(after, now, before)
    if result is not None:
        assert [one for one in result if one in "123"] == [one for one in now if one in "123"]
        if now == after:
            assert result == before
