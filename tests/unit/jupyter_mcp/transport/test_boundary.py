"""What goes wrong in a tool, a resource or another request comes out as one short text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastmcp.exceptions import ResourceError, ToolError
from mcp.shared.exceptions import MCPError

from jupyter_mcp.errors import BadPathError
from jupyter_mcp.paths import canonical
from jupyter_mcp.transport.bodies import too_complex
from jupyter_mcp.transport.boundary import LONGEST, request_boundary, resource_boundary, shortened, tool_boundary


class Panic(BaseException):
    """As pycrdt's PanicException: no Exception."""


async def raising(error: BaseException, cause: BaseException | None = None) -> Any:
    raise error from cause


def outcome(call: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        asyncio.run(call)
    return caught.value


def test_what_is_good_comes_through() -> None:
    async def good(_: Any = None) -> int:
        return 1

    assert asyncio.run(tool_boundary("x", good(), None)) == 1
    assert asyncio.run(resource_boundary("x", good(), None)) == 1
    assert asyncio.run(request_boundary(None, good)) == 1


def test_a_panic_is_an_error_on_every_path() -> None:
    assert "Panic" in str(outcome(tool_boundary("x", raising(Panic()), None)))
    read = outcome(resource_boundary("x", raising(Panic()), None))
    assert isinstance(read, ResourceError)
    assert "its log tells more" in str(read)
    request = outcome(request_boundary(None, lambda _: raising(Panic())))
    assert isinstance(request, MCPError)
    assert "Panic" in request.message


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()])
def test_cancelling_and_the_end_pass(error: BaseException) -> None:
    async def run() -> list[type[BaseException]]:
        kinds: list[type[BaseException]] = []
        for call in (
            tool_boundary("x", raising(error), None),
            resource_boundary("x", raising(error), None),
            request_boundary(None, lambda _: raising(error)),
        ):
            try:
                await call
            except BaseException as caught:  # noqa: BLE001 - what passes is no Exception
                kinds.append(type(caught))
        return kinds

    assert asyncio.run(run()) == [type(error)] * 3


def test_a_fault_names_its_kind_and_a_refusal_keeps_its_words() -> None:
    masked = outcome(tool_boundary("get_cell", raising(ToolError("Error calling tool"), KeyError("secret")), None))
    assert str(masked) == "The tool 'get_cell' failed by a fault in this server (KeyError); its log tells more."
    kept = outcome(tool_boundary("x", raising(BadPathError("no notebook at '/srv/root/a.ipynb'")), "/srv/root"))
    assert isinstance(kept, BadPathError)
    assert str(kept) == "no notebook at 'a.ipynb'"


def test_nothing_long_is_repeated() -> None:
    long = "x" * 10_000_000
    for call in (
        tool_boundary("x", raising(ToolError(long)), None),
        tool_boundary("x", raising(ValueError(long)), None),
        resource_boundary("x", raising(ResourceError(long)), None),
        request_boundary(None, lambda _: raising(MCPError(1, long, long))),
    ):
        assert len(str(outcome(call))) < LONGEST + 100
    assert shortened("short") == "short"


@pytest.mark.parametrize("path", ["a" * 15_000_000 + ".ipynb", "a/" * 5000 + "x.ipynb", "\ud800.ipynb"])
def test_an_odd_path_is_refused_with_a_sentence(path: str) -> None:
    with pytest.raises(BadPathError) as refused:
        canonical(path)
    assert len(str(refused.value)) < 200


def test_what_stands_in_a_string_is_no_structure() -> None:
    assert not too_complex([b'["' + b"[{," * 100_000 + b'"]'])
    assert not too_complex([b'["' + b'\\"[' * 100_000, b'"]'])
    assert too_complex([b"[" * 300])
    assert not too_complex([b"[]," * 300])
