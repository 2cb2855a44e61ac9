"""What FastMCP and the MCP SDK keep private and we can't do without; probe.py looks for each name at the start."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP

from jupyter_mcp.probe import Part, works


def low_level(server: FastMCP[Any]) -> Any:
    """Return the SDK's server below FastMCP's: it takes middleware, and handlers of any method."""
    return server._mcp_server  # noqa: SLF001 - see above


def limit_bodies(app: Any, path: str, most: int) -> None:
    """Let the application, whose lifespan is entered, take bodies of up to `most` bytes.

    FastMCP 4.1 leaves the SDK's limit of 4 MiB no setting.
    """
    if not works(Part.BODIES):
        return
    route = next(route for route in app.routes if getattr(route, "path", "") == path)
    route.endpoint.session_manager.asgi_app.max_body_size = most
