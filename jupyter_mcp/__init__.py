"""Live Jupyter notebooks for agents: an MCP endpoint inside Jupyter Server."""

from __future__ import annotations

import os

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Name the extension for Jupyter Server's loader. Raises ImportError where it can't run."""
    if os.name != "posix":
        raise ImportError(
            "jupyter_mcp runs on Linux, macOS and other POSIX systems: it locks its journals with flock(2)."
        )
    # Imported here so that reading the version needs no Jupyter Server.
    from .app import JupyterMCP  # noqa: PLC0415

    return [{"module": "jupyter_mcp", "app": JupyterMCP}]
