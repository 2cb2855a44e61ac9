"""Streams are joined as a terminal would; what no client can hold is made holdable."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_mcp.kernels.messages import clean, overwrite
from jupyter_mcp.kernels.output_limit import Allowance
from jupyter_mcp.kernels.outputs import OutputSink
from tests.support.fake_live import notebook_of, outputs_of

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


def test_a_long_line_that_is_written_over_a_million_times_holds_nobody_up() -> None:
    """Written part by part, each the length of the line, this takes hours; and nobody is served meanwhile."""
    line = "z" * 3_000_000
    assert overwrite("", None, f"{line}\r" + "q\r" * 1_000_000) == (f"q{line[1:]}", 0)
    assert overwrite(line, 5, "q\r" * 1_000_000 + "ab") == (f"ab{line[2:5]}q{line[6:]}", 2)


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


COME = st.lists(
    st.one_of(
        st.tuples(st.just("stream"), st.sampled_from(["stdout", "stderr"]), st.text("ab\n\r", max_size=4)),
        st.tuples(st.sampled_from(["flush", "look", "clear", "display", "update", "other"]), st.just(""), st.just("")),
    ),
    max_size=30,
)


@given(COME)
@example([("stream", "stdout", "a"), ("flush", "", ""), ("stream", "stdout", "b")])
@example([("stream", "stderr", ""), ("flush", "", ""), ("clear", "", ""), ("stream", "stdout", "")])
def test_the_document_shows_at_each_writing_what_has_been_put_out(  # noqa: C901 - a step for each kind
    come: list[tuple[str, str, str]],
) -> None:
    """However messages, writings, looks of a waiting call, and what others do to the cell follow each other."""

    async def job() -> None:
        live = notebook_of("x")
        sink = OutputSink(live, "a", Allowance(1 << 20, 10_000))
        sink.begin()
        plain: list[list[str]] = []
        for kind, name, text in come:
            if kind == "stream":
                sink.take("stream", {"name": name, "text": text})
                if not plain or plain[-1][0] != name:
                    plain.append([name, ""])
                plain[-1][1] += text
            elif kind == "flush":
                sink._flush()
                shown = [{**one, "text": str(one["text"])} if "text" in one else one for one in outputs_of(live)]
                assert shown == [without_transient(one) for one in sink.so_far()]
            elif kind == "look":
                sink.so_far()
            elif kind == "clear":
                sink.take("clear_output", {"wait": False})
                plain.clear()
            elif kind == "other":
                live.document.ycells[0]["outputs"].clear()
            else:
                data = {"data": {"text/plain": str(len(plain))}, "metadata": {}, "transient": {"display_id": "d"}}
                sink.take("display_data" if kind == "display" else "update_display_data", data)
                if kind == "display":
                    plain.append(["display", ""])
        sink.end(1)
        shown = [{**one, "text": str(one["text"])} if "text" in one else one for one in outputs_of(live)]
        assert shown == [without_transient(one) for one in sink.outputs]
        said = [overwrite("", None, text)[0] for name, text in plain if name != "display"]
        assert [one["text"] for one in shown if "text" in one] == said
        if sink._timer is not None:
            sink._timer.cancel()

    asyncio.run(job())


def without_transient(output: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in output.items() if key != "transient"}


def test_a_long_stream_is_written_piece_by_piece_and_not_put_together_before_somebody_looks() -> None:
    async def job() -> None:
        live = notebook_of("x")
        sink = OutputSink(live, "a", Allowance(1 << 20, 10_000))
        sink.begin()
        sizes: list[int] = []
        live.document.ydoc.observe(lambda event: sizes.append(len(event.update)))
        for _ in range(20):
            sink.take("stream", {"name": "stdout", "text": "x" * 10_000})
            sink._flush()
        assert max(sizes) < 10_500
        assert len(sink._parts) > 15
        assert outputs_of(live)[0]["text"] == sink.so_far()[0]["text"] == "x" * 200_000
        sink.end(1)

    asyncio.run(job())


def test_what_is_run_is_trusted_from_its_beginning() -> None:
    async def run() -> None:
        live = notebook_of("1", "2")
        OutputSink(live, "a", Allowance(1000, 10)).begin()
        assert [live.document.get_cell(at)["metadata"] for at in (0, 1)] == [{"trusted": True}, {}]

    asyncio.run(run())
