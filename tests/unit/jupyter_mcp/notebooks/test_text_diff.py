"""A text becomes another by changes that leave alone what both have in common."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycrdt import Array, Assoc, Doc, Map, Text

from jupyter_mcp.notebooks.text_diff import changes, rewrite

LINES = st.lists(st.sampled_from(["x = 1", "y = x", "", "for", "    print(x)", "añ漢😀b", "x"]), max_size=12)
TEXTS = st.one_of(LINES.map("\n".join), st.text("ab \n漢😀\r", max_size=40), st.text(max_size=40))
PLAIN = st.one_of(
    st.lists(st.sampled_from(["x = 1", "y = x", "", "for", "    print(x)"]), max_size=12).map("\n".join),
    st.text("ab \n", max_size=40),
)


def common(old: str, new: str) -> tuple[int, int]:
    """Return the lengths of the common start, and of the common end of the rest."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail


def shared(text: str) -> tuple[Doc, Text]:
    document: Doc = Doc()
    cells = document.get("cells", type=Array)
    cells.append(Map({"source": Text(text)}))
    return document, cells[0]["source"]


@given(TEXTS, TEXTS)
@example("one\ntwo", "zero\none\ntwo")
@example("😀漢", "漢😀")
def test_the_changes_give_exactly_the_new_text(old: str, new: str) -> None:
    at, parts = 0, []
    for start, end, text in changes(old, new):
        assert at <= start <= end <= len(old)
        parts += [old[at:start], text]
        at = end
    assert "".join([*parts, old[at:]]) == new


@given(TEXTS, TEXTS)
def test_the_common_start_and_end_are_not_touched(old: str, new: str) -> None:
    head, tail = common(old, new)
    for start, end, _ in changes(old, new):
        assert head <= start
        assert end <= len(old) - tail


@given(TEXTS, TEXTS)
def test_a_shared_text_becomes_the_new_text_in_any_script(old: str, new: str) -> None:
    document, text = shared(old)
    with document.transaction():
        rewrite(text, new)
    assert str(text) == new


@given(PLAIN, PLAIN, st.data())
def test_a_caret_outside_the_changes_stays_where_it_is(old: str, new: str, data: st.DataObject) -> None:
    done = changes(old, new)
    untouched = [
        place for place in range(len(old)) if not any(start <= place < max(end, start + 1) for start, end, _ in done)
    ]
    if not untouched:
        return
    place = data.draw(st.sampled_from(untouched))
    document, text = shared(old)
    caret = text.sticky_index(place, Assoc.AFTER)
    with document.transaction():
        rewrite(text, new)
    moved = sum(len(added) - (end - start) for start, end, added in done if start <= place)
    assert caret.get_index() == place + moved
    assert new[caret.get_index()] == old[place]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("a = 1\nb = 2", "import os\na = 1\nb = 2", ["a = 1\nb = 2"]),
        ("x = foo(a, b)  # 漢", "y = foo(a, c)  # 漢", ["foo", "a", "# 漢"]),
        ("one\ntwo\nthree\nfour", "zero\ntwo\nthree\nfive", ["two\nthree\nf"]),
    ],
    ids=["a line before", "two words of a line", "first and last line"],
)
def test_what_both_texts_have_is_kept(old: str, new: str, kept: list[str]) -> None:
    spans = [range(old.index(part), old.index(part) + len(part)) for part in kept]
    for start, end, _ in changes(old, new):
        assert not any(set(span) & set(range(start, end)) for span in spans)


def test_equal_texts_are_not_touched() -> None:
    document, text = shared("same 😀")
    before = document.get_state()
    rewrite(text, "same 😀")
    assert document.get_state() == before


def test_a_long_text_of_which_every_second_line_changed_is_changed_in_at_most_500_places() -> None:
    draw = random.Random(1)  # noqa: S311 - no secret
    lines = [f"välue_{number} = {draw.random()}\n" for number in range(20_000)]
    lines[7_001] = "a long line that stays 漢" * 100 + "\n"
    new = [line if number % 2 else f"other_{number}\n" for number, line in enumerate(lines)]
    old = "".join(lines)
    done = changes(old, "".join(new))
    assert len(done) == 500
    long = old.index("a long line")
    assert not any(start <= long < end for start, end, _ in done)
    document, text = shared(old)
    with document.transaction():
        rewrite(text, "".join(new))
    assert str(text) == "".join(new)


def test_a_long_text_of_the_same_lines_over_and_over_is_no_trap() -> None:
    old, new = "a\nb\n" * 50_000, "b\nc\na\n" * 50_000
    at, parts = 0, []
    for start, end, text in changes(old, new):
        parts += [old[at:start], text]
        at = end
    assert "".join([*parts, old[at:]]) == new
