"""Conversations on pages: calls of agents with their replies, made again and compared.

A `text` block holds them. `Ann> get_cell(path="a.ipynb", index=0)` is a call of Ann's, and what follows up to an
empty line is the reply. A call without one still waits; its reply stands later, after `Ann<`. Lines are wrapped where
the page's width ends, so a reply is read without its line breaks. Ids are those of the day on which the page was
written: what each is today is learned from the replies, and put into later calls. `...` in a text is for anything.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.exceptions import ToolError

from .documents import blocks

_HEAD = re.compile(r"^(?P<who>\w+)(?P<way>[<>]) ?(?P<rest>.*)$")
NEW_EACH_TIME = frozenset({"id", "cell_id", "run", "room_id", "session"})
"""Keys whose values stand for the same thing, wherever they are named later."""
MEASURED = frozenset({"seconds", "change", "undone"})


@dataclass(frozen=True)
class Turn:
    """A call, or the reply to one that waited (`tool` is empty), by one agent."""

    who: str
    tool: str
    arguments: dict[str, Any]
    reply: str
    """What the page shows; empty where the call still waits."""


def turns(page: Path) -> list[Turn]:
    """Return the calls of a page's conversations, in their order."""
    found = []
    for block in blocks(page):
        if block.language == "text" and _HEAD.match(block.text.split("\n", 1)[0]):
            for part in re.split(r"\n\s*\n", block.text.strip()):
                found += _turn(part)
    return found


def _turn(part: str) -> list[Turn]:
    first, *rest = part.split("\n")
    head = _HEAD.match(first)
    assert head is not None, part
    if head["way"] == "<":
        return [Turn(head["who"], "", {}, _joined([head["rest"], *rest]))]
    call = [head["rest"]]
    while rest and rest[0].startswith("  "):
        call.append(rest.pop(0).strip())
    (node,) = ast.parse(_joined(call).replace("=true", "=True").replace("=false", "=False")).body
    assert isinstance(node, ast.Expr), part
    assert isinstance(node.value, ast.Call), part
    assert isinstance(node.value.func, ast.Name), part
    arguments = {str(word.arg): ast.literal_eval(word.value) for word in node.value.keywords}
    return [Turn(head["who"], node.value.func.id, arguments, _joined(rest))]


def _joined(lines: list[str]) -> str:
    return " ".join(lines)


@dataclass
class Replay:
    """Agents by their names on the page, and what its ids are called today."""

    agents: Mapping[str, Client[Any]]
    ids: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, asyncio.Task[str]] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    """What came back, in the order of the page's replies."""

    async def do(self, turn: Turn) -> None:
        """Make a call as it stands there, and compare its reply. Raises AssertionError where it differs."""
        if not turn.tool:
            self._compare(turn, await self.waiting.pop(turn.who))
            return
        asked = asyncio.ensure_future(self._ask(turn.who, turn.tool, self._today(turn.arguments)))
        if turn.reply:
            self._compare(turn, await asked)
            return
        self.waiting[turn.who] = asked
        await asyncio.sleep(1)  # it is a wait that the page shows: the next call is made while it lasts

    async def _ask(self, who: str, tool: str, arguments: dict[str, Any]) -> str:
        try:
            result = await self.agents[who].call_tool(tool, arguments)
        except ToolError as error:
            return str(error)
        told = result.structured_content
        if told is None:
            return "\n".join(block.text for block in result.content if block.type == "text")
        return json.dumps(told["result"] if set(told) == {"result"} else told, ensure_ascii=False)

    def _today(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._today(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._today(one) for one in value]
        if isinstance(value, str):
            for then, now in self.ids.items():
                value = value.replace(then, now)
        return value

    def _compare(self, turn: Turn, told: str) -> None:
        self.replies.append(told)
        try:
            shown, now = json.loads(turn.reply), json.loads(told)
        except json.JSONDecodeError:
            assert _same(self._today(turn.reply), " ".join(told.split())), f"{turn}\n{told}"
            return
        self._learn(shown, now)
        assert _same(self._today(shown), now), f"{turn}\n{told}"

    def _learn(self, shown: Any, now: Any) -> None:
        if isinstance(shown, dict) and isinstance(now, dict):
            for key in shown.keys() & now.keys():
                if key in NEW_EACH_TIME and isinstance(shown[key], str) and shown[key] != "...":
                    self.ids[shown[key]] = now[key]
                self._learn(shown[key], now[key])
        elif isinstance(shown, list) and isinstance(now, list):
            for one, other in zip(shown, now, strict=False):
                self._learn(one, other)


def _same(shown: Any, now: Any) -> bool:
    """Return whether a reply is the one that a page shows, but for what is measured and what `...` stands for."""
    if isinstance(shown, dict) and isinstance(now, dict):
        return shown.keys() == now.keys() and all(key in MEASURED or _same(shown[key], now[key]) for key in shown)
    if isinstance(shown, list) and isinstance(now, list):
        return len(shown) == len(now) and all(_same(one, other) for one, other in zip(shown, now, strict=True))
    if isinstance(shown, str) and isinstance(now, str):
        return bool(re.fullmatch(".*".join(re.escape(part) for part in shown.split("...")), now, re.DOTALL))
    return bool(shown == now)
