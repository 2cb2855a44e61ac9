"""The metrics as Prometheus asks for them: at Jupyter's own endpoint, with the server's token."""

from __future__ import annotations

import asyncio

import httpx

from tests.support.measured import told

from .conftest import Server
from .test_tools import call


def test_metrics_are_at_jupyters_endpoint_for_who_has_the_token(server: Server) -> None:
    async def work() -> None:
        async with server.client() as client:
            await call(client, "create_notebook", path="metrics.ipynb")
            await call(client, "insert_cell", path="metrics.ipynb", index=0, source="1 + 1")
            await call(client, "execute_cell", path="metrics.ipynb", index=0)

    asyncio.run(work())
    url = f"{server.url}metrics"
    assert "jupyter_mcp" not in httpx.get(url).text
    reply = httpx.get(url, headers=server.headers).raise_for_status()
    assert told("jupyter_mcp_tool_calls_total", {"tool": "insert_cell", "outcome": "done"}, reply.text) >= 1
    assert told("jupyter_mcp_runs_ended_total", {"state": "done"}, reply.text) >= 1
    assert told("jupyter_mcp_rooms_joined", text=reply.text) >= 1
    assert told("jupyter_mcp_journal_bytes", text=reply.text) > 0
    assert told("jupyter_mcp_agent_kernels", text=reply.text) >= 1
    assert "metrics.ipynb" not in reply.text
    assert server.token not in reply.text
