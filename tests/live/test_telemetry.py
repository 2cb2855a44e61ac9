"""Spans of a real server come to a collector by OpenTelemetry's own variables, and hold no source, output or token."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.otlp import collector

from .conftest import MakeServer, Server
from .test_tools import call

OURS = ("jupyter_mcp.room.open", "jupyter_mcp.transaction", "jupyter_mcp.kernels.kernel.execute")
TOOLS = ("tools/call insert_cell", "tools/call execute_cell")
TRACE = "a" * 32
SECRET, OUTPUT = "secret_of_the_source", "42424242"


async def work(server: Server) -> None:
    async with server.client() as client:
        await call(client, "create_notebook", path="spans.ipynb")
        source = f"{SECRET} = 1; print(2 * 21212121)"
        await call(client, "insert_cell", path="spans.ipynb", index=0, source=source)
        await call(client, "execute_cell", path="spans.ipynb", index=0)
        await client.call_tool(
            "get_cell", {"path": "spans.ipynb", "index": 0}, meta={"traceparent": f"00-{TRACE}-{'b' * 16}-01"}
        )


def variables(url: str) -> dict[str, str]:
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "notebooks",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def test_a_collector_gets_the_calls_and_what_they_did_without_what_they_said(make_server: MakeServer) -> None:
    with collector() as at:
        server = make_server(environment=variables(at.url))
        asyncio.run(work(server))
        at.wait_for(*OURS, *TOOLS, "tools/call get_cell")
        text = "\n".join(str(span) for span in at.spans)
        server.stop()
    assert at.services == {"notebooks"}
    assert not [one for one in (SECRET, OUTPUT, server.token) if one in text]
    (read,) = [span for span in at.spans if span.name == "tools/call get_cell"]
    assert read.trace_id.hex() == TRACE, "a client that sends its trace has the call in it"
    calls = {span.span_id for span in at.spans if span.name == "tools/call insert_cell"}
    changes = [span for span in at.spans if span.name == "jupyter_mcp.transaction"]
    traces = {span.trace_id for span in at.spans if span.span_id in calls}
    assert any(span.trace_id in traces for span in changes), "a change is a part of its call's trace"


@pytest.mark.slow
def test_a_collector_that_is_gone_holds_nothing_up(make_server: MakeServer) -> None:
    with collector() as at:
        pass
    server = make_server(environment=variables(at.url))
    asyncio.run(asyncio.wait_for(work(server), 100))
    assert server.stop() == 0
