"""A kernel that is starting hinders nobody who asks for the list of kernels."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from jupyter_mcp.kernels.sessions import known_from_the_start


def test_kernels_can_be_listed_at_each_moment_of_a_start() -> None:
    async def run() -> list[dict[str, Any]]:
        kernels = AsyncMappingKernelManager()
        known_from_the_start(kernels)
        seen: list[dict[str, Any]] = []

        async def look() -> None:
            while True:
                seen.extend(kernels.list_kernels())
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        kernel_id = await kernels.start_kernel(kernel_name="python3", path="")
        await kernels.shutdown_kernel(kernel_id, now=True)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        kernels.context.destroy(linger=0)
        return seen

    assert {kernel["execution_state"] for kernel in asyncio.run(run())} >= {"starting"}
