"""MCP's messages between stdio and streamable HTTP: what HTTP wants of them in headers, and the replies we make."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

Message = dict[str, Any]
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CANCELLED = "notifications/cancelled"
LISTEN = "subscriptions/listen"
BRIDGE = "Jupyter-MCP-Bridge"
"""The header by which our server tells the calls of one bridge from another's: jupyter_mcp.transport.bridge_cancels."""

# Nothing is done by asking twice.
_ASKS = re.compile(
    r"initialize|ping|server/discover|completion/complete|logging/setLevel|prompts/get|\w+(/\w+)?/(list|read)"
)
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def version_of(message: Message) -> str | None:
    """Return the revision that a message of the 2026-07-28 era and later names; None of one before."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) and _PLAIN.fullmatch(version) else None


def routing(message: Message) -> dict[str, str]:
    """Return the headers that repeat what a message of the later era says (MCP 2026-07-28, "Streamable HTTP")."""
    version = version_of(message)
    if version is None:
        return {}
    method = str(message.get("method"))
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": encoded(method)}
    name = message["params"].get(_NAMED.get(method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = encoded(name)
    return headers


def encoded(value: str) -> str:
    """Return a text as the value of a header, in Base64 if HTTP would not carry it as it is."""
    if _PLAIN.fullmatch(value) and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def is_request(message: Message) -> bool:
    """Return whether somebody waits for an answer to it."""
    return "method" in message and message.get("id") is not None


def may_repeat(message: Message) -> bool:
    """Return whether a message may be sent again where it is not known if it was received."""
    return _ASKS.fullmatch(str(message.get("method"))) is not None


def key_of(request_id: Any) -> str:
    """Return a key for a request's id: 1 is not "1"."""
    return json.dumps(request_id)


def failure(message: Message, text: str, code: int = -32000) -> bytes:
    """Return the line that answers a request with an error."""
    return line(
        json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": code, "message": text}}).encode()
    )


def line(body: bytes) -> bytes:
    """Return a message on one line, as it was if it is on one."""
    body = body.strip()
    if b"\n" in body or b"\r" in body:
        body = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    return body + b"\n"


def events(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each server-sent event (WHATWG HTML, "Server-sent events"); those without data are left out."""
    data: list[bytes] = []
    for raw in lines:
        text = raw.rstrip(b"\r\n")
        if not text:
            if any(data):
                yield b"\n".join(data)
            data = []
        elif text.startswith(b"data:"):
            data.append(text[5:].removeprefix(b" "))


def answers(body: bytes, message: Message) -> bool:
    """Return whether a message from the server is the answer to a request."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and "method" not in found and key_of(found.get("id")) == key_of(message.get("id"))
