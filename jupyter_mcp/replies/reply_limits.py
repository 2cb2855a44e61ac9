"""How long a reply may be."""

from __future__ import annotations

from fastmcp.server.dependencies import get_http_request
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

# MCP clients of the official SDKs refuse a longer server-sent event; JSON replies have no such limit.
EVENT_LIMIT = 1_000_000 - 4096  # bytes


def reply_limit(*, streams: bool = False) -> int | None:
    """Return the most bytes that the reply to this request may have; `streams` if progress may be sent before it."""
    version = get_http_request().headers.get(MCP_PROTOCOL_VERSION_HEADER)
    return EVENT_LIMIT if streams or version is None or version in HANDSHAKE_PROTOCOL_VERSIONS else None
