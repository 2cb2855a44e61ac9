"""The lock that jupyter-server-ydoc 3.1 holds while it saves may be taken again by the task that has it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from jupyter_mcp.rooms.ydoc_private import OwnedLock, settled


def test_the_task_that_saves_may_take_its_lock_again_and_others_wait() -> None:
    async def run() -> list[str]:
        lock = OwnedLock()
        room = SimpleNamespace(_update_lock=lock)
        order: list[str] = []

        async def other() -> None:
            await settled(room)
            async with lock:
                order.append("other")

        async with lock:
            waiting = asyncio.create_task(other())
            await asyncio.sleep(0)
            await settled(room)  # does not wait for itself
            async with lock:
                order.append("inner")
            assert lock.locked()
            await asyncio.sleep(0)
            order.append("outer")
        await waiting
        assert not lock.locked()
        return order

    assert asyncio.run(run()) == ["inner", "outer", "other"]
