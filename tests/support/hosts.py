"""What MCP hosts put before their models of a tool's result, by the rules that they were seen to follow.

Codex, OpenCode and Gemini CLI were run against a scripted model on loopback (docs/reference/hosts.md); of Claude Code
and VS Code it is what their changelogs and issues say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CODEX_CUTS = 12_000  # characters
CLAUDE_CUTS = 25_000 * 3  # characters that are about 25,000 tokens


@dataclass(frozen=True)
class Seen:
    """What the model sees; `cut` if the host cut it off."""

    text: str
    pictures: list[Any]
    cut: bool = False


def _texts(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _pictures(result: Any) -> list[Any]:
    return [block for block in result.content if block.type == "image"]


def _bounded(text: str, pictures: list[Any], most: int) -> Seen:
    return Seen(text[:most], pictures, len(text) > most)


def codex(result: Any) -> Seen:
    """Show structured content alone where there is any, else the content."""
    if result.structured_content is not None:
        return _bounded(json.dumps(result.structured_content, ensure_ascii=False), [], CODEX_CUTS)
    return _bounded(_texts(result), _pictures(result), CODEX_CUTS)


def claude_code(result: Any) -> Seen:
    """Show structured content in place of the texts, and the pictures; VS Code does the same."""
    text = _texts(result)
    if result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return _bounded(text, _pictures(result), CLAUDE_CUTS)


def gemini_cli(result: Any) -> Seen:
    """Show the content, as OpenCode does."""
    return Seen(_texts(result), _pictures(result))


HOSTS: dict[str, Callable[[Any], Seen]] = {"codex": codex, "claude code": claude_code, "gemini cli": gemini_cli}
