"""A stream's message far over the limit is cut before it is decoded, at whole characters, if it is signed."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session

from jupyter_mcp.kernels.large_streams import in_parts
from jupyter_mcp.kernels.output_limit import RESERVE
from tests.support.fake_kernel import FakeKernel
from tests.support.seat import seat

LIMIT = 1000
SESSION = Session(key=b"secret")
ODD = ["\\", '"', "\n", "é", "汉", "😀", "\x00", "\ud83d", "x", "u00e9", "\r", '\\"']


def message(content: bytes, signature: bytes | None = None) -> list[zmq.Frame]:
    signed = [b'{"msg_id": "1", "msg_type": "stream", "version": "5.3"}', b"{}", b"{}", content]
    return [zmq.Frame(part) for part in [SESSION.sign(signed) if signature is None else signature, *signed]]


def text_of(parts: list[zmq.Frame]) -> str:
    content = Session(key=b"secret").deserialize(parts, copy=False)["content"]
    assert content["name"] == "stderr"
    return str(content["text"])


@given(
    st.lists(st.sampled_from(ODD), min_size=1, max_size=40).map("".join),
    st.integers(0, 7),
    st.booleans(),
    st.booleans(),
)
def test_what_is_left_are_the_beginning_and_the_end(unit: str, shift: int, escaped: bool, name_first: bool) -> None:
    text = "x" * shift + unit * (4 * LIMIT // len(unit) + 1) + "-" * RESERVE + unit * 20
    content = {"name": "stderr", "text": text} if name_first else {"text": text, "name": "stderr"}
    dumped = json.dumps(content, ensure_ascii=escaped).encode("utf-8", "replace" if not escaped else "strict")
    text = json.loads(dumped)["text"]
    found = in_parts(message(dumped), SESSION, LIMIT)
    if len(found) == 1:  # most of it are escapes
        head = text[:LIMIT]
        written = json.dumps(head, ensure_ascii=escaped).encode("utf-8", "replace")
        assert len(written) > 1.9 * len(head.encode("utf-8", "surrogatepass"))
        return
    beginning, end = map(text_of, found)
    assert text.startswith(beginning.rstrip("\ud83d"))  # the first half of a pair may be left
    assert text.endswith(end.lstrip("\ude00"))
    assert LIMIT < len(beginning.encode("utf-8", "surrogatepass")) <= 2 * LIMIT
    assert len(beginning) + len(end) <= len(text)


LARGE = b"x" * (2 * LIMIT + 2 * RESERVE)
LEFT = {
    "a wrong signature": message(b'{"name":"stdout","text":"' + LARGE + b'"}', b"0" * 64),
    "a quote in the text": message(b'{"name":"stdout","text":"a", "b":"' + LARGE + b'"}'),
    "another kind of content": message(b'{"data":"' + LARGE + b'"}'),
    "no JSON": message(LARGE),
    "one that is not too large": message(b'{"name":"stdout","text":"' + b"x" * LIMIT + b'"}'),
    "one of escapes": message(b'{"name":"stdout","text":"' + b"\\u0061" * RESERVE + b'"}'),
}


@pytest.mark.parametrize("parts", LEFT.values(), ids=list(LEFT))
def test_any_other_message_is_left_as_it_is(parts: list[zmq.Frame]) -> None:
    assert in_parts(parts, SESSION, LIMIT) == [parts]


def test_a_message_over_the_limit_is_not_decoded_as_a_whole() -> None:
    parts = message(b'{"name":"stderr","text":"' + b"y" * (64 << 20) + b'"}')
    tracemalloc.start()
    try:
        texts = [text_of(one) for one in in_parts(parts, SESSION, 1 << 20)]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert [len(text) for text in texts] == [2 << 20, RESERVE]


@pytest.mark.parametrize("size", [30_000, 3_000_000], ids=["a little over the limit", "far over it"])
def test_of_one_message_over_the_limit_the_beginning_and_the_end_are_shown(size: int) -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.stream("the first line\n" + "汉\n" * size + "the last line\n")
        kernel.done()

    async def run() -> list[dict[str, Any]]:
        async with seat(size=20_000) as one:
            return await one.run(script)

    first, notice, end = (output["text"] for output in asyncio.run(run()))
    assert first.startswith("the first line\n汉\n")
    assert len(first.encode()) <= 20_000
    assert "cut off" in notice
    assert "left out" in notice
    assert end.endswith("汉\nthe last line\n")


def test_a_late_message_over_the_limit_shows_its_beginning() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.done()

    async def run() -> str:
        async with seat(size=20_000) as one:
            await one.run(script)
            outputs, arrived = one.live.document.ycells[0]["outputs"], asyncio.Event()
            outputs.observe(lambda _event: arrived.set())
            one.fake.stream("the first line\n" + "y" * 3_000_000)
            await asyncio.wait_for(arrived.wait(), 10)
            return str(outputs[0]["text"])

    assert asyncio.run(run()).startswith("the first line\ny")
