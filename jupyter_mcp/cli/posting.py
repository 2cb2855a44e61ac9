"""One HTTP request of the bridge, which another thread can end."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from .servers import Server, authorization, is_loopback

_CONNECTED_WITHIN = 10.0  # seconds


class NotSentError(OSError):
    """Nobody was there to take the request: it may be sent again."""


class Posting:
    """A request to a server's MCP. Raises NotSentError, OSError or http.client.HTTPException."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.mcp)
        self._headers = authorization(server.token)
        self._path = parts.path or "/"
        proxy = _proxy(server.url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        kind = HTTPSConnection if secure else HTTPConnection
        if proxy is None:
            self._connection: HTTPConnection = kind(host, port, timeout=_CONNECTED_WITHIN)
        else:
            way = urlsplit(proxy if "//" in proxy else f"//{proxy}")
            self._connection = kind(way.hostname or "", way.port or 80, timeout=_CONNECTED_WITHIN)
            if secure:
                self._connection.set_tunnel(host, port)
            else:
                self._path = server.mcp
        self._ended = False

    def send(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> HTTPResponse:
        """Send the request; returns when the server has begun to answer, however long that takes."""
        try:
            self._connection.connect()
        except OSError as error:
            raise NotSentError(str(error)) from error
        sock = self._connection.sock
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._ended:
            raise OSError("ended")
        self._connection.request(method, self._path, body, {**headers, **self._headers})
        return self._connection.getresponse()

    def end(self) -> None:
        """End it, from whatever thread: who reads from it gets an error or the end."""
        self._ended = True
        sock = self._connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address; none may see what is sent on this machine."""
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
