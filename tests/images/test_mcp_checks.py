"""Checks of the verb mcp, tried on a real server: every question, and what is told where a promise is broken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError

from images.check.verbs import Target, UnmetError, try_check
from images.recipe.checks import McpCheck, Variables

from .registries import free_port


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with two resources, one of them a template, and two tools."""
    mcp: FastMCP[None] = FastMCP("library")
    mcp.resource("book://first", name="first")(lambda: "Call me Ishmael.")

    @mcp.resource("book://{title}/chapters")
    def chapters(title: str) -> str:
        return f"chapters of {title}"

    @mcp.tool
    def add(one: int, other: int) -> int:
        return one + other

    @mcp.tool
    def fail() -> None:
        raise ToolError("the shelf is empty")

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(mcp.http_app(), port=port, log_level="error"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    server.should_exit = True
    thread.join()


def tried(url: str, do: str, **more: object) -> None:
    check = McpCheck.model_validate({"id": "x", "scope": "deploy", "mcp": url, "do": do, **more})
    try_check(check, Target(None, Variables({}), None))


def test_every_question_is_answered(url: str) -> None:
    tried(url, "ping")
    tried(url, "list-tools", count=2, result={"contains": "add"})
    tried(url, "list-resources", count=2, result={"contains": "first"})
    tried(url, "read", uri="book://first", result={"contains": "Call me Ishmael."})
    tried(url, "read", uri="book://second/chapters", result={"contains": "chapters of second"})
    tried(url, "call", tool="add", arguments={"one": 1, "other": 2}, result={"contains": "3"})


def test_an_error_may_be_what_is_promised(url: str) -> None:
    tried(url, "call", tool="fail", error={"contains": "the shelf is empty"})
    tried(url, "read", uri="film://first", error={"contains": "film://first"})
    for do, more in (("call", {"tool": "add", "arguments": {"one": 1, "other": 2}}), ("read", {"uri": "book://first"})):
        with pytest.raises(UnmetError, match="and no error"):
            tried(url, do, error={"contains": ""}, **more)
    with pytest.raises(UnmetError, match="the shelf is empty"):
        tried(url, "call", tool="fail", error={"contains": "the shelf is full"})


def test_what_was_found_instead_is_told(url: str) -> None:
    for do, more, found in (
        ("list-resources", {"count": 3}, "it lists 2, not 3"),
        ("read", {"uri": "book://first", "result": {"contains": "Moby"}}, "book://first gives .*Ishmael"),
        ("read", {"uri": "film://first"}, "film://first"),
        ("call", {"tool": "fail"}, "fail fails: the shelf is empty"),
    ):
        with pytest.raises(UnmetError, match=found):
            tried(url, do, **more)
