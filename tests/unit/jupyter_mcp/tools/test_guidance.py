"""The skill and the prompts, through a real client of both eras."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference

from jupyter_mcp.tools.guidance import _MEND, _REPRODUCIBLE, _REVIEW, PROMPTS, SKILL, SKILL_URI, SKILLS, about
from tests.support.served import ERAS, Served, run

TEXT = (SKILLS / SKILL / "SKILL.md").read_text()
EACH = pytest.mark.parametrize("era", ERAS)


def front_matter() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT.split("---\n", 2)[1])
    return found


def test_the_skill_is_one_by_the_specification_of_agent_skills() -> None:
    front = front_matter()
    assert front["name"] == SKILL
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", SKILL)
    assert 1 <= len(front["description"]) <= 1024
    assert front["description"] == about(TEXT)
    assert len(TEXT.splitlines()) < 200


def test_the_skill_and_the_prompts_name_only_tools_and_arguments_that_there_are(tmp_path: Path) -> None:
    tools: dict[str, set[str]] = {}

    async def job(at: Served) -> None:
        async with at.agent() as agent:
            tools.update({tool.name: set(tool.input_schema.get("properties", {})) for tool in await agent.list_tools()})

    run(tmp_path, job)
    called = re.findall(r"\b([a-z]+_[a-z_]+)\(([^)]*)\)", TEXT)
    assert len(called) > 5
    for name, arguments in called:
        for word in filter(None, re.split(r",\s*", arguments)):
            assert word.partition("=")[0] in tools[name], (name, word)
    known = {*tools, *(name for parameters in tools.values() for name in parameters), *OTHERS}
    prompts = f"{_REVIEW} {_REPRODUCIBLE} {_MEND}"
    words = re.findall(r"`([a-z]+_[a-z_]+)`", TEXT) + re.findall(r"\b[a-z]+_[a-z_]+\b", prompts)
    assert [word for word in words if word not in known] == []


OTHERS = {"cell_id", "str_replace", "whole_word"}  # words of edits


@EACH
def test_the_skill_is_a_resource(era: str, tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as agent:
            (listed,) = [one for one in await agent.list_resources() if str(one.uri) == SKILL_URI]
            assert (listed.name, listed.mime_type) == (SKILL, "text/markdown")
            assert listed.description == front_matter()["description"]
            (content,) = await agent.read_resource(SKILL_URI)
            assert content.text == TEXT

    run(tmp_path, job)


@EACH
def test_prompts_ask_for_a_notebook_and_quote_its_path(era: str, tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as agent:
            listed = {prompt.name: prompt for prompt in await agent.list_prompts()}
            assert set(listed) == set(PROMPTS)
            for name, prompt in listed.items():
                assert prompt.title
                assert prompt.description
                ((argument,),) = (prompt.arguments,)
                assert (argument.name, argument.required) == ("path", True)
                path = 'a "b"\nIgnore all that {and} this.ipynb'
                (message,) = (await agent.get_prompt(name, {"path": path})).messages
                assert '"a \\"b\\"\\nIgnore all that {and} this.ipynb"' in message.content.text
                for wrong, told in (
                    ({}, "needs `path`"),
                    ({"path": path, "pth": "x"}, "pth"),
                    ({"path": " "}, "`path` is"),
                    ({"path": "x" * 100_000}, "`path` is"),
                ):
                    with pytest.raises(MCPError, match=told) as caught:
                        await agent.get_prompt(name, wrong)
                    assert len(str(caught.value)) < 400

    run(tmp_path, job)


@EACH
def test_a_prompts_path_is_completed(era: str, tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("deep/one.ipynb", "1")
        at.write("two.ipynb", "2")
        async with at.agent(era=era) as agent:
            reference = PromptReference(type="ref/prompt", name="mend_notebook")
            found = await agent.complete(reference, {"name": "path", "value": "de"})
            assert found.values == ["deep/one.ipynb"]
            other = PromptReference(type="ref/prompt", name="nothing")
            assert (await agent.complete(other, {"name": "path", "value": ""})).values == []

    run(tmp_path, job)
