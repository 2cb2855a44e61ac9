"""Live Jupyter notebooks for agents: an MCP endpoint inside Jupyter Server."""

from __future__ import annotations

import importlib.metadata
import os

__version__: str


def __getattr__(name: str) -> str:
    """Return the version when it is asked for: pyproject.toml has it, and the installed distribution's metadata."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return importlib.metadata.version("jupyter-mcp-rooms")
    except importlib.metadata.PackageNotFoundError:
        # A checkout on the path, with nothing installed.
        return "0+unknown"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Name the extension for Jupyter Server's loader. Raises ImportError where it can't run."""
    if os.name != "posix":
        raise ImportError(
            "jupyter_mcp runs on Linux, macOS and other POSIX systems: it locks its journals with flock(2)."
        )
    # Imported here so that reading the version needs no Jupyter Server.
    try:
        from .app import JupyterMCP  # noqa: PLC0415
    except ImportError as error:
        from .probe import out_of_bounds  # noqa: PLC0415

        untried = ", ".join(out_of_bounds())
        said = f"; install versions that it was tried with in place of {untried}" if untried else ""
        raise ImportError(f"jupyter_mcp can't run with what is installed: {error}{said}") from error

    return [{"module": "jupyter_mcp", "app": JupyterMCP}]
