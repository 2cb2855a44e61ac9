"""A reply is JSON if the response is all there is to say, and an event stream with everything in order if not."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectSendStream
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import ErrorData as Error
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from starlette.types import Message

from jupyter_mcp.transport import json_first
from jupyter_mcp.transport.json_first import DEFERS_KEY, DeferredStream

SCOPE = {"type": "http", "method": "POST", DEFERS_KEY: True}
IDS = st.one_of(st.integers(-5, 10**18), st.text(max_size=8))
RESPONSES = st.one_of(
    st.builds(
        JSONRPCResponse,
        jsonrpc=st.just("2.0"),
        id=IDS,
        result=st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers())),
    ),
    st.builds(
        JSONRPCError, jsonrpc=st.just("2.0"), id=IDS, error=st.builds(Error, code=st.integers(), message=st.text())
    ),
)
OTHERS = st.one_of(
    st.builds(JSONRPCNotification, jsonrpc=st.just("2.0"), method=st.just("notifications/progress")),
    st.builds(JSONRPCRequest, jsonrpc=st.just("2.0"), id=IDS, method=st.sampled_from(["ping", "result"])),
)


def event(message: JSONRPCMessage) -> dict[str, Any]:
    """Return a message as the SDK's transport hands it over."""
    return {"event": "message", "data": message.model_dump_json(by_alias=True, exclude_unset=True)}


async def never() -> Message:
    """Receive nothing: the client stays."""
    await asyncio.Event().wait()
    raise AssertionError


async def answer(messages: list[JSONRPCMessage], scope: dict[str, Any], pause: float = 0) -> tuple[str, list[Any]]:
    """Run one reply; gives its media type and its messages as JSON."""
    writer, reader = anyio.create_memory_object_stream[dict[str, Any]](0)

    async def send_all(writer: MemoryObjectSendStream[dict[str, Any]]) -> None:
        async with writer:
            for message in messages:
                await anyio.sleep(pause)
                await writer.send(event(message))

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {"Content-Type": "text/event-stream", "mcp-session-id": "s1"}
    response = DeferredStream(content=reader, data_sender_callable=partial(send_all, writer), headers=headers)
    async with asyncio.timeout(30), reader:
        await response(scope, never, send)
    got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert got["mcp-session-id"] == "s1"
    assert not sent[-1].get("more_body", False)
    body = b"".join(part.get("body", b"") for part in sent[1:]).decode()
    kind = got["content-type"].partition(";")[0]
    if kind == "application/json":
        assert got["content-length"] == str(len(body.encode()))
        return kind, [json.loads(body)]
    return kind, [json.loads(line[6:]) for line in body.split("\r\n") if line.startswith("data: ")]


@given(RESPONSES)
def test_a_response_alone_is_one_json_document(response: JSONRPCResponse | JSONRPCError) -> None:
    kind, messages = asyncio.run(answer([response], SCOPE))
    assert kind == "application/json"
    assert messages == [json.loads(event(response)["data"])]


@given(st.lists(OTHERS, min_size=1, max_size=4), RESPONSES)
def test_what_precedes_the_response_makes_it_a_stream_in_order(
    before: list[JSONRPCMessage], response: JSONRPCResponse | JSONRPCError
) -> None:
    kind, messages = asyncio.run(answer([*before, response], SCOPE))
    assert kind == "text/event-stream"
    assert messages == [json.loads(event(one)["data"]) for one in [*before, response]]


def test_a_late_response_comes_by_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_first, "WITHIN", 0.05)
    late = JSONRPCResponse(jsonrpc="2.0", id=1, result={})
    kind, messages = asyncio.run(answer([late], SCOPE, pause=0.5))
    assert kind == "text/event-stream"
    assert messages == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_a_session_that_ends_without_a_response_ends_the_reply() -> None:
    assert asyncio.run(answer([], SCOPE)) == ("text/event-stream", [])


@pytest.mark.parametrize("scope", [{**SCOPE, "method": "GET"}, {"type": "http", "method": "POST"}])
def test_other_requests_are_answered_as_the_sdk_does(scope: dict[str, Any]) -> None:
    response = JSONRPCResponse(jsonrpc="2.0", id=1, result={})
    assert asyncio.run(answer([response], scope))[0] == "text/event-stream"
