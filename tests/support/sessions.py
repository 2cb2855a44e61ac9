"""Jupyter's session manager over kernels that are only names: no process starts."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager


class NamedKernels(AsyncMappingKernelManager):
    """Kernels without a process. A start fails for the name "broken"; starts and ends wait while `held` is clear."""

    numbers = itertools.count(1)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.running: dict[str, str] = {}
        self.connections: dict[str, int] = {}
        self.ended: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def start_kernel(self, *, kernel_name: str | None = None, kernel_id: str | None = None, **_: Any) -> str:
        await self.held.wait()
        await asyncio.sleep(0)
        if kernel_name == "broken":
            raise RuntimeError(kernel_name)
        started = kernel_id or f"kernel-{next(self.numbers)}"
        self.running[started] = kernel_name or "python3"
        return started

    async def shutdown_kernel(self, kernel_id: str, **_: Any) -> None:
        await self.held.wait()
        del self.running[kernel_id]
        self.ended.append(kernel_id)

    def __contains__(self, kernel_id: object) -> bool:
        return kernel_id in self.running

    def kernel_model(self, kernel_id: str) -> dict[str, Any]:
        connections = self.connections.get(kernel_id, 0)
        return {"id": kernel_id, "name": self.running[kernel_id], "connections": connections}

    def update_env(self, **_: Any) -> None:
        """Nothing to update."""


def session_manager(root: Path) -> SessionManager:
    """Return a real session manager whose kernels are names."""
    contents = AsyncLargeFileManager(root_dir=str(root))
    return SessionManager(kernel_manager=NamedKernels(), contents_manager=contents)
