"""What a person or a check asks of an MCP server: a ping, its lists, a call, a resource."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

import httpx
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.shared.exceptions import MCPError
from mcp_types.jsonrpc import METHOD_NOT_FOUND

Question = Literal["ping", "list-tools", "list-resources", "call", "read"]
REPLY_TIMEOUT_S = 180
PROBE_TIMEOUT_S = 10


def ask(
    url: str,
    token: str | None,
    question: Question,
    name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    timeout_s: float = REPLY_TIMEOUT_S,
) -> Any:
    """Ask one question of the server at `url`; give the answer as JSON's types.

    `name` is the tool of a ``call`` or the address of a ``read``. Lists give their entries as the server sent them.

    Raises:
        Exception: whatever the client or the transport says; a tool's own error is fastmcp's `ToolError`.

    """
    return asyncio.run(_ask(url, token, question, name, dict(arguments or {}), timeout_s))


def unanswered(url: str, token: str | None) -> str | None:
    """Return what to do about a server that did not answer a question, as far as one bare request tells it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.stream("POST", url, json={}, headers=headers, timeout=PROBE_TIMEOUT_S) as response:
            status = response.status_code
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        return "this is no address: write it as http://HOST:PORT/mcp"
    except httpx.HTTPError:
        return "nothing answers there: check host and port, and that the server is running"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "the server refuses this token" if token else "the server wants a token: --token-file FILE"
    if status == HTTPStatus.NOT_FOUND:
        return "there is a server and no MCP at this path: the path is /mcp, behind a Hub /user/NAME/mcp"
    # A page to log in at.
    if status in (HTTPStatus.FOUND, HTTPStatus.SEE_OTHER):
        return "the server wants a login here: check the path, and the token in --token-file FILE"
    return None


async def _ask(
    url: str, token: str | None, question: Question, name: str | None, arguments: dict[str, Any], timeout_s: float
) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with Client(StreamableHttpTransport(url, headers=headers), timeout=timeout_s) as client:
        match question:
            case "ping":
                await _ping(client)
                return "pong"
            case "list-tools":
                return [_plain(tool) for tool in await client.list_tools()]
            case "list-resources":
                fixed, templates = await client.list_resources(), await client.list_resource_templates()
                return [_plain(one) for one in (*fixed, *templates)]
            case "call":
                reply = await client.call_tool(str(name), arguments)
                return [_plain(part) for part in reply.content] if reply.data is None else reply.structured_content
            case "read":
                return [_plain(part) for part in await client.read_resource(str(name))]


async def _ping(client: Client[Any]) -> None:
    try:
        await client.ping()
    except MCPError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        # The 2026-07-28 protocol has no ping; its least round trip is a list.
        await client.list_tools()


def _plain(model: Any) -> Any:
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
