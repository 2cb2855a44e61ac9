"""A thin MCP client: JSON-RPC over one keep-alive connection, so that the client is not what is measured.

FastMCP's and the SDK's clients cost several milliseconds of a core for each call, as much as the server. This one
costs about a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .errors import CallError

IDLE = 2.0  # seconds; servers close connections that are idle for longer (uvicorn after 5)
CLOSED_WITHIN = 5.0  # seconds
STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
_INFO = {"name": "benchmarks", "version": "1"}


@dataclass(frozen=True)
class Reply:
    """A tool's result and the bytes that carried it (the HTTP body)."""

    result: dict[str, Any]
    size: int

    @property
    def text(self) -> str:
        """The text content, joined."""
        return "".join(part.get("text", "") for part in self.result.get("content", []))


class Agent:
    """One agent: one connection, and one session where the protocol revision has sessions."""

    def __init__(self, url: str, token: str | None, era: str = STATEFUL) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = parts.path
        self._era = era
        self._headers = {
            "Host": parts.netloc,
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._number = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def connect(self) -> Agent:
        """Open the connection; in the stateful era also the session (spec 2025-11-25, lifecycle)."""
        if self._era == STATEFUL:
            hello = {"protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": _INFO}
            reply = await self._request("initialize", hello)
            self._headers["MCP-Protocol-Version"] = reply.result["protocolVersion"]
            await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, {})
        return self

    async def close(self) -> None:
        """End the session, as clients should (spec 2025-11-25, session management), and disconnect."""
        if "Mcp-Session-Id" in self._headers:
            with suppress(CallError, OSError, EOFError, TimeoutError):  # the server is gone, or keeps no sessions
                await asyncio.wait_for(self._exchange("DELETE", b"", {}), CLOSED_WITHIN)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def tools(self) -> Reply:
        """List the tools."""
        return await self._request("tools/list", {})

    async def call(self, tool: str, arguments: dict[str, Any]) -> Reply:
        """Call a tool. Raises CallError if it failed, whether as a protocol error or as a tool's."""
        reply = await self._request("tools/call", {"name": tool, "arguments": arguments})
        if reply.result.get("isError"):
            raise CallError(f"{tool}: {reply.text[:300]}")
        return reply

    async def _request(self, method: str, params: dict[str, Any]) -> Reply:
        self._number += 1
        extra = {}
        if self._era == STATELESS:
            # Spec 2026-07-28, streamable HTTP: the envelope is in _meta and mirrored in headers.
            prefix = "io.modelcontextprotocol/"
            meta = {f"{prefix}protocolVersion": STATELESS, f"{prefix}clientInfo": _INFO}
            params = {**params, "_meta": {**meta, f"{prefix}clientCapabilities": {}}}
            extra = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
            if "name" in params:
                extra["Mcp-Name"] = params["name"]
        body = await self._post({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}, extra)
        for message in _messages(body):
            if message.get("id") == self._number:
                if "error" in message:
                    raise CallError(f"{method}: {message['error']}")
                return Reply(message["result"], len(body))
        raise CallError(f"{method}: no reply in {body[:300]!r}")

    async def _post(self, message: dict[str, Any], extra: dict[str, str]) -> bytes:
        try:
            return await self._exchange("POST", json.dumps(message).encode(), extra)
        except (OSError, EOFError) as error:
            raise CallError(f"The connection to port {self._address[1]} broke: {error}") from error
        finally:
            self._used = time.monotonic()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or time.monotonic() - self._used > IDLE:
            self._disconnect()
            self._streams = await asyncio.open_connection(*self._address, limit=1 << 26)
        return self._streams

    async def _exchange(self, verb: str, payload: bytes, extra: dict[str, str]) -> bytes:
        reader, writer = await self._connection()
        headers = {**self._headers, **extra, "Content-Length": str(len(payload))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"{verb} {self._path} HTTP/1.1\r\n{head}\r\n".encode() + payload)
        raw = await reader.readuntil(b"\r\n\r\n")
        lines = raw.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        got = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        if got.get("transfer-encoding") == "chunked":
            body = await self._chunks(reader)
        else:
            body = await reader.readexactly(int(got.get("content-length", 0)))
        if status not in (200, 202, 204):
            raise CallError(f"HTTP {status}: {body[:300]!r}")
        if session := got.get("mcp-session-id"):
            self._headers["Mcp-Session-Id"] = session
        return body

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> bytes:
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)


def _messages(body: bytes) -> list[dict[str, Any]]:
    """Read a body that is one JSON message or a stream of server-sent events."""
    if body[:1] in (b"{", b"["):
        found = json.loads(body)
        return found if isinstance(found, list) else [found]
    return [
        json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:") and len(line) > len("data: ")
    ]
