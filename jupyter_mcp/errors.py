"""Every way a tool can refuse, one class per cause.

They derive from FastMCP's ToolError, so each reaches the agent as an MCP error (`is_error`)
with its message unmasked; a message says what to do next.
"""

from __future__ import annotations

from fastmcp.exceptions import ToolError


class BadPath(ToolError):
    """The path leaves the root, is hidden, or is no notebook."""


class NotebookMissing(ToolError):
    """No notebook at the path."""


class NotebookExists(ToolError):
    """A notebook is already at the path."""


class CellMissing(ToolError):
    """No such index or cell id."""


class CellChanged(ToolError):
    """The cell is not what the caller last read."""


class BadCell(ToolError):
    """The request makes no sense for this cell."""


class NotAllowed(ToolError):
    """The server's Authorizer said no."""


class RoomUnavailable(ToolError):
    """The live document can't be reached."""


class KernelUnavailable(ToolError):
    """The kernel did not start, or died."""


class ExecutionTimeout(ToolError):
    """The cell ran longer than allowed and was interrupted."""


class TooMany(ToolError):
    """A limit of the server is reached."""
