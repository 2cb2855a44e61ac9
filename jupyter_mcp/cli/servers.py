"""The Jupyter servers of this user that run now, by the files that they keep in Jupyter's runtime folder."""

from __future__ import annotations

import json
import os
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from jupyter_mcp.client_formats import VARIABLE

from .errors import NoServerError, UsageError

_LARGEST = 1 << 20  # bytes of a runtime file that is read
_WITHIN = 15.0  # seconds for a server to answer
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NOBODY, _NOT_TRUSTED = 0, -1  # in the place of a status
_EVERYWHERE = ("0.0.0.0", "::", "*", "")  # noqa: S104 - what others listen on
_VERSION = "2026-07-28"
_ASKS = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "jupyter mcp", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}


@dataclass(frozen=True)
class Server:
    """A server: its address with a slash at the end, and what its file says of it."""

    url: str
    root: str = ""  # "" where it is not known
    token: str = field(default="", repr=False)
    pid: int = 0
    version: str = ""
    started: float = 0.0  # seconds since 1970

    @property
    def mcp(self) -> str:
        """Return the address of MCP."""
        return f"{self.url}mcp"


@dataclass(frozen=True)
class Found:
    """A server that answers, and whether MCP does."""

    server: Server
    mcp: bool
    note: str = ""  # why MCP does not
    refused: bool = False  # it does, but not with this token


def running() -> list[Found]:
    """Return the servers that answer, the one that was started last first."""
    servers = sorted(_listed(), key=lambda server: server.started, reverse=True)
    if not servers:
        return []
    with ThreadPoolExecutor(min(len(servers), 16)) as threads:
        return [found for found in threads.map(look, servers) if found is not None]


def look(server: Server) -> Found | None:
    """Ask a server whether it lives, and whether MCP answers there; None if it does not live."""
    status = _answer(f"{server.url}api")[0]
    if status == _NOBODY:
        return None
    if status == _NOT_TRUSTED:
        note = "its certificate is not trusted: name the file of its authority in SSL_CERT_FILE"
        return Found(server, mcp=False, note=note)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _VERSION,
        "Mcp-Method": "server/discover",
        **authorization(server.token),
    }
    status, body = _answer(server.mcp, json.dumps(_ASKS).encode(), headers)
    if status == HTTPStatus.OK:
        return Found(server, mcp="jsonrpc" in body)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        why = (
            "it wants another credential"
            if server.token
            else "it wants a token or password that its file does not hold"
        )
        return Found(server, mcp=False, note=f"{why} ({status})", refused=True)
    if status == HTTPStatus.NOT_FOUND:
        return Found(
            server, mcp=False, note="it is not installed there: pip install jupyter-mcp-rooms, and start Jupyter anew"
        )
    return Found(server, mcp=False, note=f"it answers {status}" if status > 0 else "it does not answer")


def for_folder(folder: str) -> Server:
    """Return the server whose root holds the folder: one with MCP, of those the deepest root, then the last started."""
    found = running()
    here = os.path.realpath(folder)
    fits = [one for one in found if one.server.root and _holds(one.server.root, here)]
    if not fits:
        others = "; ".join(f"{one.server.url} ({one.server.root or 'root unknown'})" for one in found)
        raise NoServerError(
            f"No running Jupyter server has {here} in its root. "
            + (f"There run: {others}. Name one with --server URL, or a folder with --folder." if others else _START)
        )
    best = max(fits, key=lambda one: (one.mcp, len(os.path.realpath(one.server.root)), one.server.started))
    if not best.mcp:
        raise NoServerError(f"{best.server.url}: MCP can't be used: {best.note}.")
    return best.server


_START = "None of yours runs: start one there with `jupyter lab`."


def for_url(url: str) -> Server:
    """Return the server of an address, with the token that its file, the address or the environment has."""
    asked = _address(url)
    given = "".join(parse_qs(urlsplit(url).query).get("token", ())[:1])
    for server in _listed():
        if _same(server.url, asked):
            return server if not given else Server(asked, server.root, given, server.pid, server.version)
    return Server(asked, token=given or _token_of_environment())


def authorization(token: str) -> dict[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def is_loopback(url: str) -> bool:
    """Return whether the address is of this machine, so that no proxy may see what is sent there."""
    return urlsplit(url).hostname in _LOOPBACK


def runtime_folder() -> Path:
    """Return the folder where servers of this user keep their files."""
    from jupyter_core.paths import jupyter_runtime_dir  # noqa: PLC0415 - help needs none of it

    return Path(jupyter_runtime_dir())


def _listed() -> list[Server]:
    folder = runtime_folder()
    try:
        files = sorted(folder.glob("jpserver-*.json"))
    except OSError:
        return []
    return [server for file in files if (server := _read(file)) is not None]


def _read(file: Path) -> Server | None:
    """Return the server of a runtime file; None if it is no such file, or of a process that has ended."""
    try:
        # What is put there must not hold us up, as a pipe would.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as opened:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
                return None
            info: Any = json.loads(opened.read(_LARGEST))
        url, pid = info["url"], info["pid"]
        if not isinstance(url, str) or type(pid) is not int or pid < 1 or not _lives(pid) or info.get("sock"):
            return None
        url = _here(_address(url), info.get("hostname"))
        return Server(
            url,
            root=_text(info.get("root_dir")),
            token=_text(info.get("token")) or _token_of_hub(url),
            pid=pid,
            version=_text(info.get("version")),
            started=about.st_mtime,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, UsageError):
        return None


def _here(url: str, listens_on: Any) -> str:
    """Return an address that is good on this machine: a name of it need not lead back to it."""
    parts = urlsplit(url)
    if parts.scheme != "http" or listens_on not in _EVERYWHERE:
        return url
    return urlunsplit((parts.scheme, f"127.0.0.1:{parts.port or 80}", parts.path, "", ""))


def _token_of_hub(url: str) -> str:
    """Return the token that JupyterHub gives to the programs of a user's server, for that server."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    return os.environ.get("JUPYTERHUB_API_TOKEN", "") if prefix and urlsplit(url).path == prefix else ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) and value.strip().isprintable() else ""


def _address(url: str) -> str:
    """Return the address of a server by what people have: its page, its MCP, with or without a token."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise UsageError("--server takes a server's address, as http://127.0.0.1:8888/")
    path = parts.path.rstrip("/")
    for page in ("/mcp", "/lab", "/tree", "/api"):
        if path.endswith(page):
            path = path[: -len(page)]
            break
    # A user in an address would be sent, and told in errors.
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], f"{path}/", "", ""))


def _same(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    hosts = {"here" if host in _LOOPBACK else host for host in (first.hostname, second.hostname)}
    ports = {parts.port or {"http": 80, "https": 443}[parts.scheme] for parts in (first, second)}
    return len(hosts) == 1 and len(ports) == 1 and (first.scheme, first.path) == (second.scheme, second.path)


def _holds(root: str, folder: str) -> bool:
    return Path(folder).is_relative_to(os.path.realpath(root))


def _token_of_environment() -> str:
    if token := os.environ.get(VARIABLE, "").strip():
        return token
    file = os.environ.get(f"{VARIABLE}_FILE")
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, ValueError):
        return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes nowhere but where it was meant to go."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


def _answer(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the status and the begin of the body."""
    handlers: Iterable[Any] = (
        _NoRedirect(),
        *((urllib.request.ProxyHandler({}),) if is_loopback(url) else ()),
    )
    request = urllib.request.Request(url, body, headers or {})  # noqa: S310 - the scheme was looked at
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_WITHIN) as response:
            return response.status, response.read(2000).decode(errors="replace")
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except OSError as error:
        trusted = not isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)
        return _NOBODY if trusted else _NOT_TRUSTED, ""
    except (ValueError, HTTPException):  # of a server that speaks something else
        return _NOBODY, ""
