"""What was put before a model is read out of requests of each protocol."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from tests.hosts.model import Model, chat, gemini, responses
from tests.hosts.page import Row, page
from tests.hosts.seen import Seen, seen

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def names(*tools: str) -> list[dict[str, Any]]:
    return [{"type": "function", "name": tool, "function": {"name": tool}} for tool in tools]


@pytest.fixture
def model() -> Model:
    made = Model()
    made.script("get_cell", {"path": "a.ipynb"})
    return made


def test_the_model_calls_its_tool_by_the_hosts_name_and_then_is_done(model: Model) -> None:
    asked: dict[str, Any] = {"tools": names("read", "jupyter_get_cell"), "messages": [{"role": "user", "content": "x"}]}
    call = chat(model, asked)[0]["choices"][0]["delta"]["tool_calls"][0]["function"]
    assert call == {"name": "jupyter_get_cell", "arguments": '{"path": "a.ipynb"}'}
    asked["messages"].append({"role": "tool", "content": "seen"})
    assert chat(model, asked)[0]["choices"][0]["delta"]["content"] == "done"

    space = {"type": "namespace", "name": "mcp__jupyter", "tools": names("get_cell")}
    item = responses(model, {"tools": [space], "input": []})[1][1]["item"]
    assert (item["name"], item["namespace"]) == ("get_cell", "mcp__jupyter")
    over = {"type": "function_call_output", "output": "x"}
    assert responses(model, {"tools": [space], "input": [over]})[1][1]["item"]["type"] == "message"

    group = {"functionDeclarations": [{"name": "mcp_jupyter_get_cell"}]}
    (part,) = gemini(model, {"tools": [group], "contents": []})["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "mcp_jupyter_get_cell"
    assert "done" in json.dumps(gemini(model, {"tools": [], "contents": []}))


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{"role": "tool", "content": "text"}, {"role": "user", "content": [PICTURE]}]},
        {"messages": [{"role": "tool", "content": [{"type": "text", "text": "text"}, PICTURE]}]},
        {
            "input": [
                {"type": "message", "content": "asked"},
                {
                    "type": "function_call_output",
                    "output": [{"type": "input_text", "text": "text"}, {"type": "input_image", "image_url": "x"}],
                },
            ]
        },
        {
            "contents": [
                {"parts": [{"text": "asked"}]},
                {"parts": [{"functionResponse": {"response": "text"}}, {"inlineData": {"data": "AAAA"}}]},
            ]
        },
    ],
)
def test_text_and_pictures_are_found(asked: dict[str, Any]) -> None:
    found = seen([{"messages": [{"role": "user", "content": "first"}]}, asked, {}])
    assert found is not None
    assert found.text.strip('"') == "text"
    assert found.pictures == 1


def test_nothing_shown_is_nothing() -> None:
    assert seen([{}, {"messages": [{"role": "user", "content": "x"}]}]) is None
    assert Seen("A" * 200, 0).has_bytes
    assert not Seen("a word " * 200, 0).has_bytes


def test_the_page_tells_every_figure() -> None:
    rows = [
        Row("a plot", {"One": Seen("a word " * 180, 1), "Two": Seen("A" * 200, 0)}),
        Row("a table", {"One": Seen("y", 0)}),
    ]
    text = page(rows, {"One": "1.0", "Two": "2.0"}, dt.date(2026, 11, 27))
    assert "| output of the cell | One 1.0 | Two 2.0 |" in text
    assert "| a plot | 1,260, the picture | 200, no picture, **bytes in the text** |" in text
    assert "| a table | 1, no picture | nothing |" in text
