"""Streams are joined as a terminal would; what no client can hold is made holdable."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.kernels.messages import clean, overwrite

PIECES = st.lists(st.sampled_from(["ab", "c", "\r", "\n", "\r\n", "xyz", " "]), max_size=12)


def terminal(text: str) -> str:
    """Say what a terminal shows, one character at a time."""
    lines, column = [""], 0
    text = text.replace("\r\n", "\n")
    for character in text:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
            column += 1
    return "\n".join(lines)


@given(PIECES, st.integers(min_value=0, max_value=12))
def test_a_stream_reads_as_on_a_terminal_however_it_is_cut(pieces: list[str], cut: int) -> None:
    shown, column = "", None
    for part in ("".join(pieces[:cut]), "".join(pieces[cut:])):
        shown, column = overwrite(shown, column, part)
    if "".join(pieces[:cut]).endswith("\r") and "".join(pieces[cut:]).startswith("\n"):
        return  # one line end cut in two reads as two
    assert shown == terminal("".join(pieces))


def test_a_progress_bar_is_its_last_state() -> None:
    shown, column = "", None
    for percent in range(101):
        shown, column = overwrite(shown, column, f"\r{percent:3}%")
    assert shown == "100%"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_cleaned_values_are_what_they_were_where_every_client_can_hold_them(value: object) -> None:
    cleaned = clean(value)
    assert clean(cleaned) == cleaned
    json.dumps(cleaned, ensure_ascii=False).encode()


def test_half_a_surrogate_pair_and_a_huge_integer_are_replaced() -> None:
    assert clean("a\ud83d") == "a\N{REPLACEMENT CHARACTER}"
    assert clean({"n": [2**70, True, 5]}) == {"n": [float(2**70), True, 5]}
    assert clean(10**400) == str(10**400)
