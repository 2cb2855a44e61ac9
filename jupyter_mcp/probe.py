"""What we use of other packages that they promise nobody, looked for once at the start.

Upper bounds keep such a release away, but pip installs over them, and an overlay may too. What lacks is told in one
line, with what is off for it; all else works. docs/explanation/upstream.md says why each name is used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import CodeType
from typing import Any

from packaging.requirements import Requirement  # jupyter-server's own dependency


class Part(Enum):
    """What is off when a name that it needs lacks; the value says so to the server's owner."""

    ROOMS = "notebooks can be read from their files, and created; nothing else"
    START = "MCP answers 503 to every request"
    LOW_LEVEL = "no client is told of a notebook's changes (subscriptions/listen); watch_notebook works"
    BODIES = "a request may have 4 MiB, whatever JupyterMCP.max_body_bytes says"
    JSON = "every response is an event stream"
    PASSWORDS = "the server's password is no credential for MCP; a token is"
    LOGIN = "a wrong token is answered with the way to the login page"
    FAILED_STARTS = "a kernel that failed to start may keep the server from stopping"
    HISTORY = "a disk that was full while a notebook was open may leave a gap in its history"
    ONE_SESSION = "an agent and a person who ask for a notebook's kernel at the same moment may get two"


@dataclass(frozen=True)
class Private:
    """One name, and the distribution that it is private to."""

    distribution: str
    where: str
    """The module, and the class in it if it is a class's: ``module:Class``."""
    name: str
    part: Part

    def __str__(self) -> str:
        return f"{self.where.rpartition(':')[2]}.{self.name}"

    def is_there(self) -> bool:
        """Return whether the installed version has the name; one of an instance, by the methods that use it."""
        module, _, kind = self.where.partition(":")
        try:
            owner: Any = importlib.import_module(module)
            owner = getattr(owner, kind) if kind else owner
        except (ImportError, AttributeError):
            return False
        return hasattr(owner, self.name) or (inspect.isclass(owner) and self.name in _names(owner))

    def lacks(self) -> str:
        """Say that the installed version lacks it."""
        return f"{self.distribution} {_version(self.distribution)} has no {self}"


def holders(kind: type) -> list[type]:
    """Return the class and those of its bases that come from the same package: another's names say nothing."""
    root = kind.__module__.partition(".")[0]
    return [one for one in kind.__mro__ if one.__module__.partition(".")[0] == root]


def functions(kind: type) -> Iterator[Any]:
    """Yield the functions that a class itself defines, without their decorators."""
    for member in vars(kind).values():
        found = member.fget if isinstance(member, property) else inspect.unwrap(member) if callable(member) else None
        if isinstance(getattr(found, "__code__", None), CodeType):
            yield found


def _names(kind: type) -> set[str]:
    """Return every name that the methods of a class and of its bases use."""
    found: set[str] = set()
    for function in (one for holder in holders(kind) for one in functions(holder)):
        for code in _nested(function.__code__):
            found |= {*code.co_names, *code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}
            found |= {text for text in code.co_consts if isinstance(text, str) and text.isidentifier()}
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _nested(one)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(which version is not known)"


def _of(distribution: str, where: str, part: Part, *names: str) -> list[Private]:
    return [Private(distribution, where, name, part) for name in names]


_YDOC, _SERVER, _MCP = "jupyter-server-ydoc", "jupyter-server", "mcp"
_APP, _ROOM = "jupyter_server_ydoc.app:YDocExtension", "jupyter_server_ydoc.rooms:DocumentRoom"
_LOADER, _LOADERS = "jupyter_server_ydoc.loaders:FileLoader", "jupyter_server_ydoc.loaders:FileLoaderMapping"
_HANDLER = "jupyter_server.base.handlers:JupyterHandler"
_MANAGER = "mcp.server.streamable_http_manager:StreamableHTTPSessionManager"
_LIMIT = "mcp.server.transport_security:RequestBodyLimitMiddleware"
_SSE = "sse_starlette.sse:EventSourceResponse"
_SESSIONS = "jupyter_server.services.sessions.sessionmanager:SessionManager"
TABLE: tuple[Private, ...] = (
    *_of(_YDOC, _APP, Part.ROOMS, "_room_locks", "ystore_class", "get_document", "ywebsocket_server", "file_loaders"),
    *_of(_YDOC, _ROOM, Part.ROOMS, "_document", "_file", "_file_format", "_file_type", "_update_lock"),
    *_of(_YDOC, _ROOM, Part.ROOMS, "_saving_document", "_save_to_disc", "_on_filepath_change"),
    *_of(_YDOC, _ROOM, Part.ROOMS, "_document_load_progressively", "_document_progressively_loaded"),
    *_of(_YDOC, _LOADER, Part.ROOMS, "_lock", "_contents_manager", "_log", "maybe_save_content", "load_content"),
    *_of(_YDOC, _LOADER, Part.ROOMS, "maybe_notify", "observe", "last_modified", "number_of_subscriptions"),
    *_of(_YDOC, _LOADERS, Part.ROOMS, "__getitem__", "remove"),
    *_of("pycrdt-websocket", "pycrdt.websocket:YRoom", Part.ROOMS, "_stopped", "ydoc_observed", "ystore", "clients"),
    *_of("pycrdt-websocket", "pycrdt.websocket:WebsocketServer", Part.ROOMS, "serve", "rooms", "delete_room"),
    *_of(_YDOC, "jupyter_server_ydoc.websocketserver:JupyterWebsocketServer", Part.ROOMS, "room_exists", "get_room"),
    *_of("pycrdt-store", "pycrdt.store:BaseYStore", Part.ROOMS, "write", "read", "apply_updates", "started", "stopped"),
    *_of("pycrdt-store", "pycrdt.store:SQLiteYStore", Part.HISTORY, "_db"),
    *_of("sqlite-anyio", "sqlite_anyio:Connection", Part.HISTORY, "_exception_handler"),
    *_of(_SERVER, "jupyter_server.extension.application:ExtensionApp", Part.START, "_start_jupyter_server_extension"),
    *_of("fastmcp", "fastmcp:FastMCP", Part.LOW_LEVEL, "_mcp_server"),
    *_of(_MCP, "mcp.server.lowlevel:Server", Part.LOW_LEVEL, "middleware", "add_request_handler"),
    *_of(_MCP, _MANAGER, Part.BODIES, "asgi_app"),
    *_of(_MCP, _LIMIT, Part.BODIES, "max_body_size"),
    *_of(_MCP, "mcp.server.streamable_http", Part.JSON, "EventSourceResponse"),
    *_of("sse-starlette", _SSE, Part.JSON, "data_sender_callable", "body_iterator"),
    *_of(_SERVER, _HANDLER, Part.PASSWORDS, "_jupyter_current_user"),
    *_of(_SERVER, _HANDLER, Part.LOGIN, "_redirect_to_login"),
    *_of(
        "jupyter-client", "jupyter_client.multikernelmanager:MultiKernelManager", Part.FAILED_STARTS, "_pending_kernels"
    ),
    *_of(_SERVER, _SESSIONS, Part.ONE_SESSION, "create_session", "update_session", "delete_session", "list_sessions"),
)


@cache
def missing() -> tuple[Private, ...]:
    """Return the names that the installed versions lack; the first call looks."""
    return tuple(one for one in TABLE if not one.is_there())


def works(part: Part) -> bool:
    """Return whether all is there that the part needs."""
    return all(one.part is not part for one in missing())


def why_off(part: Part) -> str:
    """Return, for who asked for it, why a part is off; empty if it works."""
    lacking = [one for one in missing() if one.part is part]
    if not lacking:
        return ""
    said = "; ".join(dict.fromkeys(one.lacks() for one in lacking))
    return f"This server can't do that with what is installed: {said}. Its owner can install a version that has it."


def warning(lacking: Iterable[Private]) -> str:
    """Return the one line on what lacks, and what is off because of it; empty if nothing lacks."""
    parts: dict[Part, list[str]] = {}
    for one in lacking:
        parts.setdefault(one.part, []).append(one.lacks())
    return "; ".join(f"{', '.join(names)}: {part.value}" for part, names in parts.items())


def out_of_bounds(requirements: Iterable[str] | None = None) -> list[str]:
    """Return what is installed outside the versions that this release was tried with, each with these.

    pip installs what it is told to; a name may then be there and mean something else.
    """
    found = []
    for requirement in map(Requirement, _requirements() if requirements is None else requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # its import says so
        if not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name} {version} ({requirement.specifier})")
    return found


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("jupyter-mcp-rooms") or []
    except importlib.metadata.PackageNotFoundError:
        return []  # run from a checkout
