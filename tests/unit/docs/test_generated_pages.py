"""Pages that are made of the code: they say what the code says today."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.reference import tool_calls
from docs.reference.__main__ import HERE, pages

EXAMPLES: list[dict[str, Any]] = json.loads(tool_calls.EXAMPLES.read_text())
TOOLS = {tool["name"]: tool for tool in tool_calls.listed()}


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=pages())
def test_a_page_is_what_its_program_would_write(name: str, text: str) -> None:
    if name == "commands.md" and sys.version_info >= (3, 13):
        pytest.skip("argparse lays out usage in another way from Python 3.13 on")
    assert (HERE / name).read_text() == text, "run ./noxw -s run -- python -m docs.reference"


def test_every_tool_has_one_example() -> None:
    assert sorted(example["tool"] for example in EXAMPLES) == sorted(TOOLS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["tool"])
def test_an_example_gives_what_the_tool_takes(example: dict[str, Any]) -> None:
    schema = TOOLS[example["tool"]]["inputSchema"]
    Draft202012Validator(schema).validate(example["arguments"])
    assert set(example["arguments"]) <= set(schema.get("properties", {}))
    assert example["reply"]
