"""A diff of two sources shows each line that changed, whatever it begins with."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_mcp.notebooks.line_diff import line_diff

LINES = st.lists(st.sampled_from(["", "-- a comment of SQL", "--", "++ x", "++", "@@", "a", "b"]), max_size=8)


@given(LINES, LINES)
@example(["-- a comment of SQL", "SELECT 1"], ["SELECT 1", "++ x"])
def test_both_sources_can_be_read_from_it(old: list[str], new: list[str]) -> None:
    shown = [line for line in line_diff("\n".join(old), "\n".join(new), around=100, most=100) if line[:2] != "@@"]
    if shown:
        assert "\n".join(line[1:] for line in shown if line[0] in " -") == "\n".join(old)
        assert "\n".join(line[1:] for line in shown if line[0] in " +") == "\n".join(new)
    else:
        assert "\n".join(old) == "\n".join(new)


def test_of_very_long_sources_their_lengths_are_told() -> None:
    assert list(line_diff("a\n" * 3, "b\n" * 2, around=1, most=2)) == ["4 lines, now 3"]
