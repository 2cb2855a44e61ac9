"""The whole MCP server of this project on real rooms and Jupyter's own HTTP, in this process and without kernels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from jupyter_client.kernelspec import KernelSpecManager
from mcp.types import Implementation

from jupyter_mcp.kernels.cell_states import CellStates
from jupyter_mcp.kernels.kernel_control import KernelControl
from jupyter_mcp.mcp_server import http_app, mcp_server
from jupyter_mcp.notebooks.cells import Cells
from jupyter_mcp.notebooks.notebooks import Notebooks
from jupyter_mcp.notebooks.running import Running
from jupyter_mcp.notebooks.undoing import Undoing
from jupyter_mcp.steering import people_api, runs_api
from jupyter_mcp.steering.audit import AuditLog
from jupyter_mcp.steering.gate import Gate
from jupyter_mcp.steering.limits import Limits
from jupyter_mcp.steering.people_review_api import review_handlers
from jupyter_mcp.steering.people_undo_api import undo_handlers
from jupyter_mcp.steering.steering import Files, Steering
from jupyter_mcp.steering.steering_file import SteeringFile

from .bridge import AUTHORIZED, Bridge, bridge
from .rooms import LOG, Workshop, workshop
from .seat import Seat, seat

ERAS = ("legacy", "auto")  # sessions up to 2025-11-25; 2026-07-28


@dataclass
class Served:
    """A server with notebooks in it."""

    bridge: Bridge
    workshop: Workshop
    seat: Seat
    gate: Gate
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    all_tools: list[str] = field(default_factory=list)  # also those that the server leaves out

    def write(self, path: str, *sources: str) -> None:
        """Make a notebook; its cells are called id-0, id-1 …"""
        cells = [nbformat.v4.new_code_cell(source, id=f"id-{number}") for number, source in enumerate(sources)]
        file = self.workshop.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)))

    def agent(self, name: str = "Claude Code", era: str = "auto", **options: Any) -> Client[Any]:
        """Return an MCP client; options are FastMCP's."""
        transport = StreamableHttpTransport(self.bridge.url, headers=AUTHORIZED)
        return Client(transport, mode=era, client_info=Implementation(name=name, version="1"), **options)

    async def state(self) -> dict[str, Any]:
        """Return what people see."""
        async with self.bridge.client() as http:
            reply = await http.get(f"{self._base}/jupyter-mcp/state")
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    async def steer(self, action: str, **about: Any) -> dict[str, Any]:
        """Do what a person does in the status bar."""
        async with self.bridge.client() as http:
            reply = await http.post(f"{self._base}/jupyter-mcp/steer", json={"action": action, **about})
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    @property
    def _base(self) -> str:
        return self.bridge.url.removesuffix("/mcp")


@asynccontextmanager
async def served(
    folder: Path,
    *,
    settings: dict[str, Any] | None = None,
    audit: AuditLog | None = None,
    tools: str = "all",
    specs: Any = None,
    call_timeout: float = 20,
    grace: float = 1,
    limits: Limits | None = None,
    max_user_sessions: int = 0,
    **modes: Any,
) -> AsyncIterator[Served]:
    """Serve the notebooks of `folder`/root; cells run on a fake kernel. `modes` are the configuration's."""
    async with workshop(folder) as rooms, seat(grace=grace) as at:
        events: list[tuple[str, dict[str, Any]]] = []
        file = SteeringFile(folder / "state" / "agents.json")
        steering = Steering(file, Files(rooms.settings["file_id_manager"], str(rooms.root)), **modes)
        told = rooms.rooms.presences, lambda schema, data: events.append((schema, data)), LOG, audit
        gate = Gate(steering, *told, limits)
        cells = Cells(typing_grace=30)
        running = Running(
            cells, at.execution, max_output_bytes=1 << 20, max_output_messages=1000, execution_timeout=None
        )
        managers = {"session_manager": at.sessions, "kernel_manager": at.managers}
        known = {**managers, "kernel_spec_manager": specs or KernelSpecManager(kernel_dirs=[]), **rooms.settings}
        at.managers.default_kernel_name = "none"  # type: ignore[attr-defined]
        states = CellStates(at.execution.runs, at.kernels)
        notebooks = Notebooks(known, rooms.rooms, cells, max_watchers=8, states=states)
        kernels = KernelControl(known, at.execution, within=20)
        undoing = Undoing(notebooks, cells, at.execution.runs)
        made = mcp_server(
            notebooks, running, kernels, gate=gate, undoing=undoing, call_timeout=call_timeout, toolset=tools
        )
        server = made.server
        app, lifespan = http_app(server, max_body_bytes=1 << 20, max_sessions=8, max_user_sessions=max_user_sessions)
        handlers = [
            *people_api.handlers(gate, undoing),
            *undo_handlers(gate, undoing),
            *review_handlers(gate, undoing),
            *runs_api.handlers(at.execution.runs),
        ]
        async with bridge(app, lifespan, settings=settings, handlers=handlers) as served_at:
            yield Served(served_at, rooms, at, gate, events, server.offered)


def run(folder: Path, job: Any, **options: Any) -> None:
    """Run `job`, which takes a Served."""

    async def whole() -> None:
        async with served(folder, **options) as at:
            await asyncio.wait_for(job(at), 100)

    asyncio.run(whole())
