"""The reference's example of each tool: the server still replies in that shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from docs.reference.tool_calls import EXAMPLES
from tests.support.tool_examples import Example, all_examples

from .conftest import MakeServer


def shape(text: str) -> Any:
    """Return a reply's keys, all lists with one entry's; of a sentence nothing."""

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: of(one) for key, one in value.items()}
        return [of(one) for one in value[:1]] if isinstance(value, list) else None

    try:
        return of(json.loads(text))
    except ValueError:
        return None


@pytest.mark.slow
def test_each_tool_replies_in_the_shape_that_the_reference_shows(make_server: MakeServer) -> None:
    server = make_server()

    async def work() -> list[Example]:
        async with server.client() as client:
            return await all_examples(client)

    done = {example.tool: [shape(text) for text in example.reply] for example in asyncio.run(work())}
    shown = json.loads(EXAMPLES.read_text())
    assert done == {example["tool"]: [shape(text) for text in example["reply"]] for example in shown}
