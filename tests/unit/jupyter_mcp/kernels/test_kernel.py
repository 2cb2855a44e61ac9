"""Whatever a kernel sends, runs end as they should, and the next run works."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_client.session import DELIM

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.kernels import execution
from jupyter_mcp.kernels.runs import State
from tests.support.fake_kernel import FakeKernel
from tests.support.fake_live import outputs_of
from tests.support.seat import Seat, waiting_run, within

Bad = Callable[[FakeKernel], None]


def publishing(kind: str, content: Any, **parts: Any) -> Bad:
    return lambda kernel: kernel.publish(kind, content, **parts)


BAD: dict[str, Bad] = {
    "no delimiter": lambda kernel: kernel.raw(b"hello"),
    "nothing": lambda kernel: kernel.raw(b""),
    "too few parts": lambda kernel: kernel.raw(b"x", DELIM, b"sig", b"{}"),
    "an unsigned message": publishing("stream", {"name": "stdout", "text": "bad"}, signature=b""),
    "a wrong signature": publishing("stream", {"name": "stdout", "text": "bad"}, signature=b"00"),
    "a header that is no JSON": publishing("stream", {}, header=b"{"),
    "a header that is a list": publishing("stream", {}, header=[]),
    "a header without a type": publishing("stream", {}, header={"msg_id": "1"}),
    "a type that is a number": publishing("stream", {}, header={"msg_id": "1", "msg_type": 5}),
    "bytes that are no text": publishing("stream", b"\xff\xfe"),
    "content that is no JSON": publishing("stream", b"{'name'"),
    "content that is null": publishing("stream", None),
    "content that is a list": publishing("display_data", ["x"]),
    "content nested too deep": publishing("stream", b"[" * 100_000 + b"]" * 100_000),
    "an endless integer": publishing("display_data", b'{"data": {"a": ' + b"9" * 5000 + b"}}"),
    "a stream without text": publishing("stream", {"name": "stdout"}),
    "a stream whose text is a number": publishing("stream", {"name": "stdout", "text": 5}),
    "a display without data": publishing("display_data", {"metadata": {}}),
    "a status without a state": publishing("status", {}),
    "a status whose state is null": publishing("status", {"execution_state": None}),
    "a parent that is null": publishing("stream", {"name": "stdout", "text": "bad"}, parent_header=None),
    "a parent that is a list": publishing("stream", {"name": "stdout", "text": "bad"}, parent_header=[1]),
    "a parent whose id is a list": publishing(
        "stream", {"name": "stdout", "text": "bad"}, parent_header={"msg_id": []}
    ),
    "metadata that is no JSON": publishing("stream", {"name": "stdout", "text": "bad"}, metadata=b"nope"),
    "a kind that nobody knows": publishing("telepathy", {"x": 1}),
    "a reply that is no JSON": lambda kernel: kernel.raw_reply(DELIM, b"sig", b"{", b"{", b"{", b"{"),
    "a reply of no protocol": lambda kernel: kernel.raw_reply(b"x"),
    "a reply to nobody": lambda kernel: kernel.reply(status="ok", parts={"parent_header": {"msg_id": "other"}}),
    "a reply without a parent": lambda kernel: kernel.reply(status="ok", parts={"parent_header": None}),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
def test_one_bad_message_is_skipped_and_the_run_ends_as_ever(bad: Bad) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            bad(kernel)
            await asyncio.sleep(0.01)
            kernel.stream("good")
            kernel.done()

        for _ in range(2):
            (output,) = await one.run(script)
            assert output == {"output_type": "stream", "name": "stdout", "text": "good"}
        assert outputs_of(one.live) == [output]

    within(job)


FILLED: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "a display without metadata": ("display_data", {"data": {"text/plain": "x"}}, {"data": {"text/plain": "x"}}),
    "a display with null metadata": (
        "display_data",
        {"data": {"text/plain": ["x", "y"]}, "metadata": None, "transient": None},
        {"data": {"text/plain": ["x", "y"]}, "metadata": {}},
    ),
    "a display whose text is a number": ("display_data", {"data": {"text/plain": 5}}, {"data": {"text/plain": "5"}}),
    "a display with a null": ("display_data", {"data": {"text/html": None}}, {"data": {}}),
    "a display with NaN": (
        "display_data",
        {"data": {"application/json": {"a": float("nan")}}},
        {"data": {"application/json": {"a": None}}},
    ),
    "a display id that is a list": ("display_data", {"data": {}, "transient": {"display_id": []}}, {"data": {}}),
    "a result without a count": ("execute_result", {"data": {"a": "1"}}, {"execution_count": None}),
    "a result with a text for a count": ("execute_result", {"data": {}, "execution_count": "1"}, {"data": {}}),
    "an error without anything": ("error", {}, {"ename": "Error", "evalue": "", "traceback": []}),
    "an error of wrong types": (
        "error",
        {"ename": None, "evalue": 5, "traceback": "a\nb"},
        {"ename": "Error", "evalue": "5", "traceback": ["a", "b"]},
    ),
    "an error whose traceback has numbers": ("error", {"traceback": [1, "b"]}, {"traceback": ["1", "b"]}),
    "a stream of no known name": ("stream", {"name": "log", "text": "x"}, {"name": "stdout", "text": "x"}),
    "a stream in pieces": ("stream", {"text": ["a", "b"]}, {"name": "stdout", "text": "ab"}),
    "half of a surrogate pair": ("stream", {"text": "a\ud83d"}, {"text": "a\N{REPLACEMENT CHARACTER}"}),
}


@pytest.mark.parametrize(("kind", "content", "shown"), FILLED.values(), ids=list(FILLED))
def test_a_field_that_lacks_is_filled_in(kind: str, content: Any, shown: dict[str, Any]) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            kernel.publish(kind, content)
            kernel.done()

        (output,) = await one.run(script)
        assert {**output, **shown} == output
        (kept,) = outputs_of(one.live)
        assert {**kept, **shown} == kept

    within(job)


def test_bad_messages_are_told_in_the_log_but_not_each_and_not_what_they_held(caplog: pytest.LogCaptureFixture) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            for _ in range(150):
                kernel.publish("stream", b'{"text": "password')
                await asyncio.sleep(0)
            await asyncio.sleep(0.1)
            kernel.done()

        assert await one.run(script) == []

    with caplog.at_level(logging.WARNING, "seat"):
        within(job)
    assert 1 <= len(caplog.records) <= 3
    assert "password" not in caplog.text


@pytest.mark.parametrize("reply", [{"execution_count": "7"}, {"execution_count": None}, {"execution_count": 2**70}])
def test_a_reply_of_odd_types_ends_the_run(reply: dict[str, Any]) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.reply(**reply)
            kernel.status("idle")

        assert await one.run(script) == []
        assert one.live.document.get_cell(0)["execution_count"] is None

    within(job)


async def twice(kernel: FakeKernel) -> None:
    for _ in range(2):
        kernel.status("idle")
        kernel.status("busy")
    kernel.stream("x")
    for _ in range(2):
        kernel.reply(status="ok", execution_count=3)
        kernel.status("idle")


async def idle_first(kernel: FakeKernel) -> None:
    kernel.status("busy")
    kernel.stream("x")
    kernel.status("idle")
    await asyncio.sleep(0.05)
    kernel.reply(status="ok", execution_count=3)


async def reply_first(kernel: FakeKernel) -> None:
    kernel.reply(status="ok", execution_count=3)
    await asyncio.sleep(0.05)
    kernel.status("busy")
    kernel.stream("x")
    kernel.status("idle")


@pytest.mark.parametrize("script", [twice, idle_first, reply_first])
def test_replies_and_states_may_come_twice_and_in_any_order(script: Any) -> None:
    async def job(one: Seat) -> None:
        for _ in range(2):
            assert [output["text"] for output in await one.run(script)] == ["x"]
            assert one.live.document.get_cell(0)["execution_count"] == 3

    within(job)


async def no_idle(kernel: FakeKernel) -> None:
    kernel.status("busy")
    kernel.stream("x")
    kernel.reply(status="ok", execution_count=3)


async def no_reply(kernel: FakeKernel) -> None:
    kernel.status("busy")
    kernel.stream("x")
    kernel.status("idle")


@pytest.mark.parametrize("script", [no_idle, no_reply])
def test_a_run_whose_end_is_lost_in_part_ends_and_says_so(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "IDLE_WITHIN", 1.0)

    async def job(one: Seat) -> None:
        run = one.start(script)
        await run.over.wait()
        assert [output["text"] for output in outputs_of(one.live)] == ["x"]
        assert "The kernel said" in run.notices[0] or "kernel did not say" in run.notices[0]
        # As after a lost idle of a person's run, the next waits for nobody.
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


@pytest.mark.parametrize("first", ["reply", "idle"])
def test_an_error_that_is_only_in_the_reply_is_told(first: str) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            ends = [
                lambda: kernel.reply(status="error", ename="ValueError", evalue="bad", traceback=[], execution_count=1),
                lambda: kernel.status("idle"),
            ]
            for end in ends if first == "reply" else reversed(ends):
                end()

        run = one.start(script)
        await run.over.wait()
        assert run.state is State.ERROR
        assert run.notices == ["The cell failed, though the kernel put out no error: ValueError: bad."]
        assert outputs_of(one.live) == []  # as in JupyterLab

    within(job)


def test_a_page_of_help_is_shown_and_a_text_for_another_cell_is_told() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            page = {"source": "page", "data": {"text/plain": "Signature: f(x)"}, "start": 0}
            odd: list[Any] = [None, {}, {"source": "page"}, {"source": "page", "data": 3}, {"source": []}]
            following = {"source": "set_next_input", "text": "x = 1\n" * 1000, "replace": True}
            kernel.done(payload=[*odd, page, following, {"source": "set_next_input", "text": 3}])

        run = one.start(script)
        await run.over.wait()
        assert [output["data"] for output in outputs_of(one.live)] == [{"text/plain": "Signature: f(x)"}]
        (told,) = run.notices
        assert "no cell was made or changed. The text: x = 1\n" in told
        assert len(told) < 3500
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


@pytest.mark.parametrize("payload", [None, {}, "x", 5, [[]]], ids=repr)
def test_an_odd_payload_is_none(payload: Any) -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            kernel.done(payload=payload)

        assert await one.run(script) == []

    within(job)


def test_of_many_outputs_at_once_none_is_lost() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            for number in range(1900):  # in one go: nobody reads meanwhile
                kernel.display({"text/plain": f"{number} " + "x" * 10_000})
            kernel.done()

        outputs = await one.run(script)
        assert [output["data"]["text/plain"].split()[0] for output in outputs] == [str(n) for n in range(1900)]

    within(job, size=64 << 20)


def test_an_answer_to_what_was_asked_before_a_run_says_nothing_of_its_reply() -> None:
    async def job(one: Seat) -> None:
        kernel = await one.kernels.connect("k")
        one.fake.answers_info = False
        asked = len(one.fake.asked)
        kernel.probe()
        while len(one.fake.asked) == asked:  # noqa: ASYNC110
            await asyncio.sleep(0)
        question = one.fake.parent

        async def answered_between_idle_and_reply(fake: FakeKernel) -> None:
            await idle_first_without_reply(fake)
            fake.reply(kind="kernel_info_reply", protocol_version="5.3", parts={"parent_header": question})
            await asyncio.sleep(0.05)
            fake.reply(status="ok", execution_count=3)

        assert [output["text"] for output in await one.run(answered_between_idle_and_reply)] == ["x"]

    within(job)


async def idle_first_without_reply(kernel: FakeKernel) -> None:
    await no_reply(kernel)
    await asyncio.sleep(0.05)


def test_an_idle_of_somebody_elses_run_that_was_lost_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "IDLE_WITHIN", 1.0)

    async def job(one: Seat) -> None:
        await one.run()
        one.fake.publish("status", {"execution_state": "busy"}, parent_header={"msg_id": "a person's"})
        await asyncio.sleep(0.1)
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


def test_what_the_control_channel_answers_meanwhile_frees_no_kernel() -> None:
    """JupyterLab asks kernels every few seconds how much memory they have, over the control channel."""

    async def job(one: Seat) -> None:
        run = await waiting_run(one)
        for state in ("busy", "idle"):
            one.fake.publish("status", {"execution_state": state}, parent_header={"msg_id": "usage"})
        await asyncio.sleep(0.1)
        assert run.state is State.QUEUED
        one.fake.publish("status", {"execution_state": "idle"}, parent_header={"msg_id": "a person's"})
        await asyncio.wait_for(run.over.wait(), 10)
        assert run.steps[0].state is State.DONE

    within(job)


def test_a_kernel_that_is_busy_with_ever_more_is_not_remembered_without_bound() -> None:
    async def job(one: Seat) -> None:
        kernel = await one.kernels.connect("k")
        for number in range(1000):
            kernel._on_status(None, "busy", str(number))
        assert len(kernel._works_on) < 300
        assert not kernel.idle.is_set()

    within(job)


@pytest.mark.parametrize("spec", [{"name": 5}, {"name": ["python3"]}, {"name": {}}])
def test_a_kernel_named_by_no_string_is_told(spec: Any) -> None:
    async def job(one: Seat) -> None:
        one.live.document._ymeta["metadata"] = {"kernelspec": spec}
        with pytest.raises(KernelUnavailableError, match="not by a string"):
            await one.run()

    within(job)


@pytest.mark.parametrize("metadata", [None, [], {"kernelspec": None}, {"kernelspec": "python3"}, {"kernelspec": {}}])
def test_metadata_that_names_no_kernel_means_the_servers_own(metadata: Any) -> None:
    async def job(one: Seat) -> None:
        one.live.document._ymeta["metadata"] = metadata
        assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


def test_a_kernel_that_speaks_an_older_protocol_is_understood() -> None:
    async def job(one: Seat) -> None:
        (kernel,) = [await one.kernels.connect("k")]
        for version, major in (("4.1", 4), ("5.4", 0), ("nonsense", 0), (None, 0), ("99999999999999", 99)):
            kernel.client.session.adapt_version = 0
            kernel._adapt(version)
            assert kernel.client.session.adapt_version == major

    within(job)


def test_a_reply_that_comes_while_a_request_is_sent_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def job(one: Seat) -> None:
        await one.run()
        (kernel,) = [await one.kernels.connect("k")]
        send = kernel.client.execute

        def late_reply_first(*args: Any, **options: Any) -> str:
            one.fake.reply("kernel_info_reply", status="ok")
            time.sleep(0.05)  # the loop is busy while it arrives
            return send(*args, **options)

        monkeypatch.setattr(kernel.client, "execute", late_reply_first)
        for _ in range(3):
            assert [output["text"] for output in await one.run()] == ["hello"]

    within(job)


def test_a_large_message_among_many_small_ones_holds_nothing_up() -> None:
    async def job(one: Seat) -> None:
        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            for text, count in (("a", 50), ("b" * 300_000, 1), ("c", 50)):
                for _ in range(count):
                    kernel.stream(text)
                await asyncio.sleep(0.01)
            kernel.done()

        (output,) = await one.run(script)
        assert output["text"] == "a" * 50 + "b" * 300_000 + "c" * 50

    within(job)
