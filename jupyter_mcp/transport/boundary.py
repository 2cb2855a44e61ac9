"""The line between the tools and the protocol: what goes wrong behind it comes out as a short text.

Rust's panics reach Python as BaseException (pycrdt's PanicException): what catches Exception lets them through, and
the SDK's task group, and with it every session, would end with one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any, Final, TypeVar, cast

from fastmcp.exceptions import FastMCPError, ResourceError, ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR

from jupyter_mcp.errors import ServerFaultError

_Refusal = TypeVar("_Refusal", ToolError, ResourceError)
_log = getLogger(__name__)
LONGEST: Final = 2000  # characters of an error's text: it may repeat what the client sent
_PASSING: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)

_FAULTS: Final[dict[type, type[FastMCPError]]] = {ToolError: ServerFaultError, ResourceError: ResourceError}


def passes(error: BaseException) -> bool:
    """Return whether an exception is no fault: somebody cancelled, or the process is to end."""
    if isinstance(error, BaseExceptionGroup):
        rest = error.split(lambda one: isinstance(one, (KeyboardInterrupt, SystemExit)))
        return rest[0] is not None or all(passes(one) for one in error.exceptions)
    return isinstance(error, _PASSING)


def shortened(text: str) -> str:
    """Return the text, without its middle if it is over `LONGEST` characters."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}[… {len(text) - 2 * half} characters …]{text[-half:]}"


def fault(what: str, error: BaseException) -> str:
    """Return what a client is told of a fault of ours; the server's log has the rest."""
    return f"{what} failed by a fault in this server ({type(error).__name__}); its log tells more."


def relative(text: str, root: str | None) -> str:
    """Return the text with paths as clients know them: below the server's root."""
    return text if not root or root == "/" else text.replace(f"{root.rstrip('/')}/", "")


async def tool_boundary(name: str, call: Awaitable[Any], root: str | None) -> Any:
    """Return what the tool's call gives; raise ToolError with a short text for whatever goes wrong."""
    try:
        return await call
    except ToolError as error:
        raise _refusal(ToolError, f"The tool {name!r}", error, root) from error
    except Exception as error:
        if len(str(error)) <= LONGEST:
            raise  # FastMCP has words for it
        raise ToolError(shortened(str(error))) from error
    except BaseException as error:
        if passes(error):
            raise
        _log.exception("The tool %r failed", shortened(name))
        raise ServerFaultError(fault(f"The tool {shortened(name)!r}", error)) from error


async def resource_boundary(uri: str, read: Awaitable[Any], root: str | None) -> Any:
    """Return what the reading of a resource gives; raise ResourceError with a short text for whatever goes wrong."""
    try:
        return await read
    except ResourceError as error:
        raise _refusal(ResourceError, "Reading the resource", error, root) from error
    except BaseException as error:
        if isinstance(error, Exception) or passes(error):
            raise
        _log.exception("Reading the resource %r failed", shortened(uri))
        raise ResourceError(fault("Reading the resource", error)) from error


def _refusal(kind: type[_Refusal], what: str, error: _Refusal, root: str | None) -> _Refusal:
    """Return the error as the client gets it.

    FastMCP raises its own class for a fault in a tool, from the fault, and says only that there was one. Ours are
    subclasses, or have no such cause.
    """
    cause = error.__cause__
    if type(error) is kind and isinstance(cause, Exception) and not isinstance(cause, FastMCPError):
        return cast("_Refusal", _FAULTS[kind](fault(what, cause)))
    text = shortened(relative(str(error), root))
    return error if text == str(error) else type(error)(text)


async def request_boundary(context: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
    """Be the SDK's outermost middleware: every request and notification of both eras ends with a result or an error."""
    try:
        return await call_next(context)
    except MCPError as error:
        if len(error.error.message) <= LONGEST and len(str(error.error.data)) <= LONGEST:
            raise
        raise MCPError(code=error.error.code, message=shortened(error.error.message)) from error
    except Exception:
        raise  # the SDK has an answer for it
    except BaseException as error:
        if passes(error):
            raise
        method = shortened(str(getattr(context, "method", "")))
        _log.exception("The request %r failed", method)
        raise MCPError(code=INTERNAL_ERROR, message=fault("The request", error)) from error
