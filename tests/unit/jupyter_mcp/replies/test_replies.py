"""A reply fits what a client takes, and says what it left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_mcp.errors import TooLargeError
from jupyter_mcp.replies.replies import CellReply, reply, schema


def size(result: Any) -> int:
    return len(json.dumps(result.structured_content)) + sum(len(block.model_dump_json()) for block in result.content)


def cell(text: str, source: str = "1") -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": text}
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [output], "id": "a", "execution_count": 1}


def test_a_short_reply_is_whole_in_both_forms() -> None:
    result = reply(cell("x" * 100), 10_000)
    assert result.structured_content == cell("x" * 100)
    assert json.loads(result.content[0].text) == cell("x" * 100)


def test_a_long_output_loses_its_middle_and_keeps_its_ends() -> None:
    result = reply(cell("begin" + "x" * 3_000_000 + "end"), 100_000)
    text = result.structured_content["outputs"][0]["text"]
    assert text.startswith("begin")
    assert text.endswith("end")
    assert "characters left out of this reply; the notebook has them" in text
    assert size(result) < 110_000


def test_a_source_is_never_cut() -> None:
    with pytest.raises(TooLargeError, match="one by one with get_cell"):
        reply({"cells": [cell("", "x" * 200_000)]}, 100_000)


def test_where_both_forms_are_too_long_the_text_gives_way() -> None:
    result = reply({"cells": [cell("", "x" * 70_000)]}, 100_000)
    assert result.structured_content["cells"][0]["source"] == "x" * 70_000
    assert "see the structured content" in result.content[0].text


def test_schemas_are_objects() -> None:
    assert schema(CellReply)["properties"]["revision"]
    assert schema(list[CellReply])["required"] == ["result"]


@pytest.mark.parametrize("character", ["汉", '"', "\\", "\x1b", "\N{GRINNING FACE}", "\n", "é"])
@pytest.mark.parametrize("count", [60_000, 120_000, 240_000, 480_000, 990_000])
def test_a_reply_is_never_longer_than_its_limit_whatever_is_escaped(character: str, count: int) -> None:
    limit = 996_000
    result = reply([{"type": "stream", "content": {"name": "stdout", "text": character * count}}], limit)
    # As the server sends it: pydantic escapes like json.dumps without ensure_ascii.
    sent = {
        "content": [block.model_dump(mode="json", exclude_none=True) for block in result.content],
        "structuredContent": result.structured_content,
    }
    assert len(json.dumps(sent, ensure_ascii=False).encode()) <= limit + 500


def test_half_a_surrogate_pair_and_nan_do_not_break_a_reply() -> None:
    result = reply({"a": "x\ud83d", "b": float("nan")})
    assert result.structured_content == {"a": "x\N{REPLACEMENT CHARACTER}", "b": None}
