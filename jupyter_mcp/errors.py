"""Every way a tool can refuse, one class per cause.

They derive from FastMCP's ToolError, so each reaches the agent as an MCP error (`is_error`)
with its message unmasked; a message says what to do next.
"""

from __future__ import annotations

import asyncio
import os

from fastmcp.exceptions import ToolError

# What a boundary never holds up. Whatever else derives from BaseException (pycrdt's PanicException) is one fault.
FATAL = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
_LONGEST = 400  # characters of a cause that is told


class BadPathError(ToolError):
    """The path leaves the root, is hidden, or is no notebook."""


class BadArgumentError(ToolError):
    """A call has an argument that the tool does not know, or lacks one."""


class BadPatternError(ToolError):
    """The pattern can't be searched for."""


class NotebookMissingError(ToolError):
    """No notebook at the path."""


class NotebookExistsError(ToolError):
    """A notebook is already at the path."""


class CellMissingError(ToolError):
    """No such index or cell id."""


class CellChangedError(ToolError):
    """The cell is not what the caller last read."""


class PersonTypingError(ToolError):
    """A person is in the cell that would be changed."""


class BadCellError(ToolError):
    """The request makes no sense for this cell."""


class NotAllowedError(ToolError):
    """The server's Authorizer said no."""


class PausedError(ToolError):
    """A person, or the server's configuration, holds the agent back."""


class NotAllowedYetError(ToolError):
    """A person has to allow what the agent wants to run or delete, and has not yet."""


class ProposeFirstError(NotAllowedYetError):
    """A person has to see the change before it is made; its actor knows which (rooms.actor)."""


class RefusedByPersonError(ToolError):
    """A person was asked, and said no."""


class StoppedError(ToolError):
    """A person ended the call."""


class RoomUnavailableError(ToolError):
    """The live document can't be reached."""


class SaveFailedError(ToolError):
    """The document could not be written to its file."""


class NotDurableError(ToolError):
    """A change is in the document but could not be put into its journal."""


class ReadOnlyError(ToolError):
    """The notebook's file is not writable."""


class KernelUnavailableError(ToolError):
    """The kernel did not start, or died."""


class KernelBusyError(ToolError):
    """The kernel runs something else; the cell was not run."""


class ExecutionTimeoutError(ToolError):
    """The cell ran longer than allowed and was interrupted."""


class RunStoppedError(ToolError):
    """Somebody stopped the run before it began."""


class RunMissingError(ToolError):
    """No run of that id is known."""


class ChangeMissingError(ToolError):
    """No such change of an agent is known, or it is taken back already."""


class ServerFaultError(ToolError):
    """A fault of this server; its log tells more."""


class TooLargeError(ToolError):
    """The reply is larger than a client takes."""


class TooManyError(ToolError):
    """A limit of the server is reached."""


def why(error: BaseException, root: str | None = None) -> str:
    """Return a cause in a few words, on one line, without the path of the server's root."""
    while isinstance(error, BaseExceptionGroup):  # says of itself only how many it holds
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(getattr(error, "log_message", None) or str(error) or type(error).__name__).split())
    for folder in (root, os.path.realpath(root)) if root and root != "/" else ():
        text = text.replace(f"{folder.rstrip('/')}/", "")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
