"""Which MCP servers images offer, and how their clients are told.

An image says what it provides in its label ``org.overthinkos.mcp_provides``, a JSON list of ``{"name", "url",
"transport"}``, where the URL is a template over ``{{.ContainerName}}``. Consumers read the variable ``OV_MCP_SERVERS``,
the same list with the addresses filled in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from images.errors import RecipeError

LABEL = "org.overthinkos.mcp_provides"
VARIABLE = "OV_MCP_SERVERS"
NAME_VARIABLE = "MCP_SERVER_NAME"
CONTAINER = "{{.ContainerName}}"


class McpServer(BaseModel):
    """One server, as the label and the variable write it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    transport: str = "http"
    """Streamable HTTP, the one transport that these images serve."""


_SERVERS: TypeAdapter[tuple[McpServer, ...]] = TypeAdapter(tuple[McpServer, ...])


def provided(config: Mapping[str, Any], container: str, origin: object) -> tuple[McpServer, ...]:
    """Return the servers of one container: `config` is its image configuration's ``config`` object.

    `container` is the name under which consumers reach it, or ``localhost`` where both share a container or pod. A
    container whose ``MCP_SERVER_NAME`` is set gives that name to its first server.

    Raises:
        RecipeError: the label is not such a list.

    """
    label = (config.get("Labels") or {}).get(LABEL, "[]")
    found = _parsed(label.replace(CONTAINER, container), f"{origin}: label {LABEL}")
    environment = dict(line.split("=", 1) for line in config.get("Env") or () if "=" in line)
    if found and (name := environment.get(NAME_VARIABLE)):
        return _parsed(json.dumps([{**found[0].model_dump(), "name": name}, *map(dict, found[1:])]), origin)
    return found


def from_variable(text: str) -> tuple[McpServer, ...]:
    """Read ``OV_MCP_SERVERS``.

    Raises:
        RecipeError: it is not such a list.

    """
    return _parsed(text, VARIABLE)


def to_variable(servers: Iterable[McpServer]) -> str:
    """Return the variable's JSON, on one line."""
    return json.dumps([one.model_dump() for one in _told_apart(servers)], separators=(",", ":"))


def _parsed(text: str, origin: object) -> tuple[McpServer, ...]:
    try:
        return _SERVERS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecipeError(origin, f"{where + ': ' if where else ''}{first['msg']}") from None


def _told_apart(servers: Iterable[McpServer]) -> list[McpServer]:
    """Add numbers to servers of one name, since clients key them by name."""
    seen: dict[str, int] = {}
    result = []
    for one in servers:
        seen[one.name] = number = seen.get(one.name, 0) + 1
        result.append(one if number == 1 else one.model_copy(update={"name": f"{one.name}-{number}"}))
    return result


def _fastmcp(servers: Iterable[McpServer], token: str | None) -> dict[str, Any]:
    # fastmcp.mcp_config.RemoteMCPServer.
    return {"mcpServers": {one.name: {"url": one.url, "transport": "http", **_auth(token)} for one in servers}}


def _claude(servers: Iterable[McpServer], token: str | None) -> dict[str, Any]:
    # .mcp.json expands ${NAME} in headers.
    return {"mcpServers": {one.name: {"type": "http", "url": one.url, **_auth(token)} for one in servers}}


def _vscode(servers: Iterable[McpServer], token: str | None) -> dict[str, Any]:
    return {"servers": {one.name: {"type": "http", "url": one.url, **_auth(token)} for one in servers}}


def _open_webui(servers: Iterable[McpServer], token: str | None) -> list[dict[str, Any]]:
    # The variable TOOL_SERVER_CONNECTIONS.
    auth = {"auth_type": "bearer", "key": token} if token else {"auth_type": "none", "key": ""}
    return [
        {
            "type": "mcp",
            "url": one.url,
            "path": "",
            **auth,
            "config": {"enable": True},
            "info": {"id": one.name, "name": one.name, "description": ""},
        }
        for one in servers
    ]


def _auth(token: str | None) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}} if token else {}


CLIENTS: Mapping[str, Callable[[Iterable[McpServer], str | None], Any]] = {
    "fastmcp": _fastmcp,
    "claude": _claude,
    "vscode": _vscode,
    "open-webui": _open_webui,
}


def client_config(client: str, servers: Iterable[McpServer], token: str | None = None) -> str:
    """Return a client's configuration as JSON; `token` may be a reference such as ``${JUPYTER_TOKEN}``."""
    return json.dumps(CLIENTS[client](_told_apart(servers), token), indent=2)
