"""No text advises a tool that the server does not offer."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_mcp.advice import all_of, either, lacking, without
from jupyter_mcp.mcp_server import INSTRUCTIONS, mcp_server


def server(tools: str) -> Any:
    nothing: Any = SimpleNamespace(root="/nowhere", contents=None, rooms=None, runs=None)
    return mcp_server(nothing, nothing, nothing, gate=nothing, undoing=nothing, call_timeout=50, toolset=tools).server


EVERY = server("all").offered
SETS = ["thirteen", "readers", "execute_cell", "run_cells, get_run", "set_kernel", "get_cell", "list_notebooks"]


@pytest.mark.parametrize("tools", SETS)
def test_what_a_narrowed_server_says_of_itself_names_only_tools_that_it_has(tools: str) -> None:
    made = server(tools)
    listed = asyncio.run(made.list_tools())
    missing = set(EVERY) - {tool.name for tool in listed}
    assert missing
    texts = [made.instructions, *(str(tool.to_mcp_tool(name=tool.name).model_dump()) for tool in listed)]
    for text in texts:
        assert text
        assert not missing & set(re.findall(r"[a-z_]+", text))


def test_a_server_with_all_tools_says_everything() -> None:
    made = server("all")
    assert made.instructions == INSTRUCTIONS
    assert made.lacking == frozenset()


def test_the_first_way_that_is_offered_is_advised_and_what_is_left_if_none_is() -> None:
    ways = ("stop_run stops it", "interrupt_kernel does", "ask a person")
    assert either(*ways) == ways[0]
    with lacking({"stop_run"}):
        assert either(*ways) == ways[1]
        with lacking({"stop_run", "interrupt_kernel"}):
            assert either(*ways) == ways[2]
        assert either(*ways) == ways[1]
    assert either(*ways) == ways[0]


def test_of_several_clauses_those_are_told_whose_tools_are_offered() -> None:
    clauses = ("get_run(run_id='r') waits", "stop_run stops")
    assert all_of(*clauses, otherwise="ask") == "get_run(run_id='r') waits; stop_run stops"
    with lacking({"get_run"}):
        assert all_of(*clauses, otherwise="ask") == "stop_run stops"
    with lacking({"get_run", "stop_run"}):
        assert all_of(*clauses, otherwise="ask") == "ask"


def test_a_task_that_a_call_begins_goes_on_without_those_tools() -> None:
    async def job() -> str:
        async def later() -> str:
            await asyncio.sleep(0)
            return either("get_run", "get_cell")

        with lacking({"get_run"}):
            task = asyncio.create_task(later())
        return await task

    assert asyncio.run(job()) == "get_cell"


def test_sentences_that_name_a_missing_tool_are_left_out_and_lines_stay() -> None:
    text = "It runs. get_run waits\nfor it. And on.\n\nOutputs. get_output gets them."
    assert without(text, {"get_run", "get_output"}) == "It runs. And on.\n\nOutputs."
    assert without(text, ()) == text
