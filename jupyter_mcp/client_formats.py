"""How MCP clients are told of a server: the file, the place in it and the words of each.

`jupyter mcp connect` writes these formats, and JupyterLab's dialog shows them (steering/connections.py).
They are those of the clients' documentation, autumn 2026; Codex, OpenCode and Gemini CLI were run with them
(docs/reference/hosts.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME = "jupyter"
VARIABLE = "JUPYTER_TOKEN"
PROGRAM = "jupyter-mcp"
Entry = dict[str, Any]

# What says where a server is, in any client; all else in an entry is the person's.
TRANSPORT_KEYS = frozenset(
    (
        *("type", "url", "httpUrl", "serverUrl", "headers", "http_headers", "env_http_headers"),
        *("bearer_token_env_var", "oauth", "command", "args", "env", "environment"),
    )
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Http:
    """A server by its address; `token` is the token, a variable that the client fills in, or None for neither."""

    url: str
    token: str | None


@dataclass(frozen=True)
class Program:
    """A server by the program that the client starts."""

    command: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Client:
    """An MCP client: where its configuration is, and its words."""

    name: str
    title: str
    keys: tuple[str, ...]  # the way to the servers in its file
    http: Callable[[Http], Entry] | None
    program: Callable[[Program], Entry]
    files: Mapping[
        str, str
    ]  # of a "project", in its folder, and of a "user", in the home folder; the first one is usual
    on_macos: str | None = None  # the user's, where it is another one there
    home: str | None = None  # the variable that names another folder for the first one of the user's file
    variable: str | None = None  # how its file names a variable of the environment; None: it can't
    workspace: str | None = None  # how its file names the project's folder, where programs may start elsewhere
    anywhere: bool = False  # starts programs in a folder that has nothing to do with the project
    toml: bool = False

    def token(self) -> str | None:
        """Return what stands for the token in its file, so that the file holds none."""
        return self.variable.format(VARIABLE) if self.variable else None

    def text(self, entry: Entry) -> str:
        """Return a whole file with this entry alone."""
        if self.toml:
            return toml_table((*self.keys, NAME), entry)
        whole: Entry = {NAME: entry}
        for key in reversed(self.keys):
            whole = {key: whole}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _headers(server: Http, key: str = "headers") -> Entry:
    return {key: {"Authorization": f"Bearer {server.token}"}} if server.token else {}


def _typed_http(server: Http) -> Entry:
    return {"type": "http", "url": server.url, **_headers(server)}


def _plain_http(server: Http) -> Entry:
    return {"url": server.url, **_headers(server)}


def _gemini_http(server: Http) -> Entry:
    return {"httpUrl": server.url, **_headers(server)}


def _windsurf_http(server: Http) -> Entry:
    return {"serverUrl": server.url, **_headers(server)}


def _codex_http(server: Http) -> Entry:
    if server.token == VARIABLE:
        return {"url": server.url, "bearer_token_env_var": VARIABLE}
    return {"url": server.url, **_headers(server, "http_headers")}


def _opencode_http(server: Http) -> Entry:
    # Without the word it looks for OAuth, which Jupyter has not.
    return {"type": "remote", "url": server.url, "oauth": False, **_headers(server), "enabled": True}


def _environment(program: Program, key: str = "env") -> Entry:
    return {key: dict(program.environment)} if program.environment else {}


def _plain_program(program: Program) -> Entry:
    return {"command": program.command, "args": list(program.arguments), **_environment(program)}


def _typed_program(program: Program) -> Entry:
    return {"type": "stdio", **_plain_program(program)}


def _opencode_program(program: Program) -> Entry:
    command = [program.command, *program.arguments]
    return {"type": "local", "command": command, **_environment(program, "environment"), "enabled": True}


_SERVERS = ("mcpServers",)
CLIENTS: Mapping[str, Client] = {
    client.name: client
    for client in (
        Client(
            "claude-code",
            "Claude Code",
            _SERVERS,
            _typed_http,
            _typed_program,
            {"project": ".mcp.json"},
            variable="${{{}}}",
        ),
        Client(
            "codex",
            "Codex",
            ("mcp_servers",),
            _codex_http,
            _plain_program,
            {"user": ".codex/config.toml", "project": ".codex/config.toml"},
            home="CODEX_HOME",
            variable="{}",
            toml=True,
        ),
        Client(
            "gemini",
            "Gemini CLI",
            _SERVERS,
            _gemini_http,
            _plain_program,
            {"project": ".gemini/settings.json", "user": ".gemini/settings.json"},
            variable="${{{}}}",
        ),
        Client(
            "vscode",
            "VS Code",
            ("servers",),
            _typed_http,
            _typed_program,
            {"project": ".vscode/mcp.json"},
            variable="${{env:{}}}",
            workspace="${workspaceFolder}",
        ),
        Client(
            "cursor",
            "Cursor",
            _SERVERS,
            _plain_http,
            _typed_program,
            {"project": ".cursor/mcp.json", "user": ".cursor/mcp.json"},
            variable="${{env:{}}}",
            workspace="${workspaceFolder}",
        ),
        Client(
            "opencode",
            "OpenCode",
            ("mcp",),
            _opencode_http,
            _opencode_program,
            {"project": "opencode.json", "user": ".config/opencode/opencode.json"},
            variable="{{env:{}}}",
        ),
        Client(
            "zed",
            "Zed",
            ("context_servers",),
            _plain_http,
            _plain_program,
            {"user": ".config/zed/settings.json"},
            anywhere=True,
        ),
        Client(
            "windsurf",
            "Windsurf",
            _SERVERS,
            _windsurf_http,
            _plain_program,
            {"user": ".codeium/windsurf/mcp_config.json"},
            variable="${{env:{}}}",
            anywhere=True,
        ),
        Client(
            "claude-desktop",
            "Claude Desktop",
            _SERVERS,
            None,
            _plain_program,
            {"user": ".config/Claude/claude_desktop_config.json"},
            on_macos="Library/Application Support/Claude/claude_desktop_config.json",
            anywhere=True,
        ),
    )
}


def toml_value(value: Any) -> str:
    """Return a value as TOML: text, a truth value, a list of texts or a table of them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """Return a key as TOML."""
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def toml_lines(entry: Entry) -> Iterator[str]:
    """Yield the lines of a table, without its head."""
    for key, value in entry.items():
        yield f"{toml_key(key)} = {toml_value(value)}\n"


def toml_table(keys: Sequence[str], entry: Entry) -> str:
    """Return a table of TOML."""
    return f"[{'.'.join(map(toml_key, keys))}]\n{''.join(toml_lines(entry))}"
