"""A notebook is read within a budget; what is left out is said, with the call that gets it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.errors import CellMissingError
from jupyter_mcp.replies.excerpt import Wanted, cell_in_brief, excerpt
from jupyter_mcp.rooms.live import revision
from jupyter_mcp.tools.output_tools import RANGE, whole_output

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def cell(at: int, source: str = "x = 1", *outputs: dict[str, Any]) -> dict[str, Any]:
    common = {"id": f"c{at}", "cell_type": "code", "source": source, "metadata": {}, "execution_count": None}
    return {**common, "outputs": list(outputs)}


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def seen(content: dict[str, Any], states: dict[str, dict[str, Any]] | None = None, **wanted: Any) -> dict[str, Any]:
    return asyncio.run(excerpt(content, Wanted(**wanted), states or {}))


def test_a_small_notebook_is_whole_with_revisions() -> None:
    found = seen(notebook(cell(0), cell(1, "y", stream("hi\n"))))
    assert [one["source"] for one in found["cells"]] == ["x = 1", "y"]
    assert found["cells"][1]["outputs"] == [stream("hi\n")]
    assert found["cells"][1]["revision"] == revision("code", "y")
    assert "left_out" not in found
    assert not any("index" in one for one in found["cells"])
    assert [one["index"] for one in seen(notebook(cell(0), cell(1)), start=1)["cells"]] == [1]


def test_errors_and_running_cells_are_marked_also_in_an_outline() -> None:
    error = {"output_type": "error", "ename": "KeyError", "evalue": "\x1b[31m'a'\x1b[0m", "traceback": []}
    for more in ({}, {"outputs": "none"}, {"outline": True}):
        found = seen(notebook(cell(0, "a", error), cell(1)), {"c1": {"state": "running"}}, **more)
        assert [one.get("error") for one in found["cells"]] == ["KeyError: 'a'", None]
        assert found["cells"][1]["state"] == "running"


def test_outputs_give_way_first_then_the_last_cells() -> None:
    content = notebook(*(cell(at, f"line {at}\n" * 20, stream("o" * 400)) for at in range(50)))
    found = seen(content, max_chars=6000)
    assert len(json.dumps(found)) < 7500
    assert not any("outputs" in one for one in found["cells"])
    assert all(one["source"] == content["cells"][at]["source"] for at, one in enumerate(found["cells"]))
    match = re.search(r"get_notebook\(start=(\d+)\)", found["left_out"])
    assert match is not None
    assert int(match[1]) == len(found["cells"])
    assert found["cell_count"] == 50


@given(st.integers(0, 5000), st.lists(st.integers(0, 3000), min_size=1, max_size=30))
def test_paging_through_a_notebook_sees_every_cell_once(most: int, lengths: list[int]) -> None:
    content = notebook(*(cell(at, "s" * length) for at, length in enumerate(lengths)))
    start, found = 0, []
    for _ in lengths:
        part = seen(content, start=start, max_chars=most)
        found += [one["id"] for one in part["cells"]]
        match = re.search(r"get_notebook\(start=(\d+)\)", part.get("left_out", ""))
        if match is None:
            break
        start = int(match[1])
    assert found == [one["id"] for one in content["cells"]]


def test_a_source_longer_than_the_budget_is_cut_and_names_get_cell() -> None:
    source = seen(notebook(cell(0, "s" * 9000)), max_chars=2000)["cells"][0]["source"]
    assert len(source) < 2100
    assert 'get_cell(cell_id="c0")' in source


def test_many_cells_share_one_budget_for_outputs() -> None:
    found = seen(notebook(*(cell(at, "x", stream("o" * 5000)) for at in range(60))))
    assert len(json.dumps(found)) < 60_000
    assert "get_output" in found["left_out"]


def test_full_outputs_are_whole_but_for_their_bytes() -> None:
    data = {"image/png": PNG, "text/plain": "x" * 9000, "application/json": {"a": 1}}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    (output,) = seen(notebook(cell(0, "x", shown)), outputs="full")["cells"][0]["outputs"]
    assert output["data"]["text/plain"] == "x" * 9000
    assert output["data"]["application/json"] == {"a": 1}
    assert output["data"]["image/png"] == '[image/png, 72 bytes: get_output(cell_id="c0", output=0)]'


def test_the_state_of_widgets_and_attachments_are_markers() -> None:
    attached = {**cell(0), "cell_type": "markdown", "attachments": {"a.png": {"image/png": PNG}}}
    found = seen(notebook(attached, widgets={"state": "s" * 100_000}, kernelspec={"name": "python3"}))
    assert "100 kB left out" in found["metadata"]["widgets"]
    assert found["metadata"]["kernelspec"] == {"name": "python3"}
    assert PNG not in json.dumps(found)
    one, pictures = asyncio.run(cell_in_brief(attached))
    assert PNG not in json.dumps(one)
    assert [picture.data for picture in pictures] == [PNG]


HUGE: list[dict[str, Any]] = [
    {"a": "x" * 500_000},
    {"a": {"b": ["x" * 1000] * 500}},
    {str(number): "x" * 100 for number in range(5000)},
    {"k" * 500_000: 1},
]


@pytest.mark.parametrize("metadata", HUGE, ids=["a text", "a tree", "many keys", "a key"])
def test_metadata_of_any_size_leave_a_reply_short_and_say_so(metadata: dict[str, Any]) -> None:
    odd = {**cell(0), "metadata": {**metadata, "trusted": True}, "made_up": metadata}
    (one,) = seen(notebook(odd, **metadata))["cells"]
    alone, _ = asyncio.run(cell_in_brief(odd))
    for shown in (one, alone, seen(notebook(odd, **metadata))["metadata"]):
        assert len(json.dumps(shown)) < 50_000
        assert "the resource notebook:///…" in json.dumps(shown, ensure_ascii=False) or metadata is HUGE[3]
    assert "trusted" not in one["metadata"]
    assert "trusted" not in alone["metadata"]
    assert len(json.dumps(seen(notebook(odd, **metadata), max_chars=2000))) < 60_000


def test_a_start_beyond_the_end_is_refused() -> None:
    with pytest.raises(CellMissingError, match="the notebook has 1"):
        seen(notebook(cell(0)), start=2)


@given(st.text(max_size=30), st.integers(0, 3 * RANGE))
def test_a_text_is_got_whole_by_ranges(part: str, length: int) -> None:
    text = (part + "\n") * (length // (len(part) + 1) + 1)
    whole, start = "", 0
    while True:
        blocks = [str(getattr(block, "text", "")) for block in whole_output(stream(text), start)]
        whole += blocks[0]
        match = re.search(r"left: start=(\d+)\]$", blocks[-1]) if len(blocks) > 1 else None
        if match is None:
            break
        start = int(match[1])
    assert whole == str(getattr(whole_output(stream(text))[0], "text", "")) or len(whole) > RANGE
    assert "the end" in blocks[-1] or start == 0
