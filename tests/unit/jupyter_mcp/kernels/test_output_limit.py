"""What is kept is charged, in bytes; errors, the result and the end of the output always have room."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.fake_kernel import FakeKernel
from tests.support.fake_live import outputs_of
from tests.support.seat import seat


def shown_by(script: Any, **limits: int) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        async with seat(**limits) as one:
            outputs = await one.run(script)
            kept = [{key: item for key, item in output.items() if key != "transient"} for output in outputs]
            assert outputs_of(one.live) == kept
            return kept

    return asyncio.run(run())


def texts(outputs: list[dict[str, Any]]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def test_a_live_plot_keeps_its_last_frame_however_many_there_were() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        for number in range(50):
            kernel.publish("clear_output", {"wait": True})
            kernel.display({"text/plain": f"{number}" + "x" * 400})
            await asyncio.sleep(0)
        kernel.done()

    (output,) = shown_by(script, size=1000)
    assert output["data"]["text/plain"].startswith("49")


def test_a_display_that_is_updated_keeps_its_last_state() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.display({"text/plain": "first"}, "d")
        for number in range(50):
            kernel.display({"text/plain": f"{number}" + "x" * 400}, "d", "update_display_data")
            await asyncio.sleep(0)
        kernel.done()

    (output,) = shown_by(script, size=1000)
    assert output["data"]["text/plain"].startswith("49")


def test_an_update_that_is_too_large_is_refused_with_a_notice() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.display({"text/plain": "first"}, "d")
        for _ in range(3):
            kernel.display({"text/plain": "x" * 5000}, "d", "update_display_data")
        kernel.done()

    display, notice = shown_by(script, size=1000)
    assert display["data"] == {"text/plain": "first"}
    assert notice["text"].count("output cut off") == 1


def test_a_progress_bar_keeps_its_last_state() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        for number in range(300):
            kernel.stream(f"\r{number:3}" + "x" * 50)
            await asyncio.sleep(0)
        kernel.stream("\ndone")
        kernel.done()

    assert texts(shown_by(script, size=1000, messages=100)) == "299" + "x" * 50 + "\ndone"


def test_bytes_are_counted_not_characters() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.stream("汉" * 1000)
        kernel.done()

    first, notice, end = shown_by(script, size=1500)
    assert first["text"] == end["text"] == "汉" * 500
    assert "output cut off" in notice["text"]


def test_the_end_the_result_and_the_error_are_shown_after_the_limit() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        for number in range(200):
            kernel.stream(f"line {number}\n" + "x" * 5000)
            await asyncio.sleep(0)
        kernel.stream("the last line\n")
        kernel.display({"image/png": "AAAA"})
        kernel.publish("execute_result", {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": 1})
        kernel.publish("error", {"ename": "E", "evalue": "v", "traceback": ["t"]})
        kernel.done()

    outputs = shown_by(script, size=10_000)
    kinds = [output["output_type"] for output in outputs]
    assert kinds == ["stream", "stream", "stream", "display_data", "execute_result", "error"]
    assert outputs[0]["text"].startswith("line 0")
    assert "cut off" in outputs[1]["text"]
    assert outputs[2]["text"].endswith("the last line\n")


def test_a_flood_that_is_cleared_leaves_room_for_what_comes_next() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        for _ in range(20):
            kernel.stream("x" * 5000)
        await asyncio.sleep(0.1)
        kernel.publish("clear_output", {"wait": True})
        kernel.stream("the result")
        kernel.done()

    assert [output["text"] for output in shown_by(script, size=10_000)] == ["the result"]


def test_a_flood_of_errors_is_bounded_too() -> None:
    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        for _ in range(300):
            kernel.publish("error", {"ename": "E", "evalue": "v", "traceback": ["t" * 1000]})
            await asyncio.sleep(0)
        kernel.done()

    assert 1 < len(shown_by(script, size=10_000)) < 100
