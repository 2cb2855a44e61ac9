"""The page of each MCP client's configuration, docs/reference/clients.md, made from the formats that we write."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_mcp.client_formats import CLIENTS, NAME, PROGRAM, VARIABLE, Client, Http, Program

_ADDRESS = "http://127.0.0.1:8888/mcp"
_HEAD = f"""\
# Each client's configuration

<!-- Made by `./noxw -s run -- python -m docs.reference` from jupyter_mcp/client_formats.py; do not edit. -->

What `jupyter mcp connect CLIENT --write` puts into a client's file, for those who write it by hand; what else is in the
file stays. The entry is called `{NAME}`. By the program, the client needs no token, and `connect` writes the program's
whole path. By address (`--http`), the client reads the token from the variable `{VARIABLE}` where its file can name
one. The formats are those of the clients' documentation in autumn 2026; Codex, OpenCode and Gemini CLI were
[run with them](hosts.md).
"""


def clients_page() -> str:
    """Return the page's text."""
    return "\n".join([_HEAD, *(line for client in CLIENTS.values() for line in _client(client))]).rstrip() + "\n"


def _client(client: Client) -> Iterator[str]:
    yield from (f"## {client.title}", "", f"`jupyter mcp connect {client.name} --write`", "")
    yield from (f"- its file for {_WHOSE[scope]}: `{_place(scope, name)}`" for scope, name in client.files.items())
    if client.on_macos:
        yield f"- on macOS: `{_place('user', client.on_macos)}`"
    folder = ["--folder", client.workspace or "/path/to/notebooks"] if client.workspace or client.anywhere else []
    program = client.program(Program(PROGRAM, ["stdio", *folder], {}))
    yield from ("", "By the program:", "", *_block(client, client.text(program)))
    if client.http is None:
        yield from ("It starts programs only.", "")
    elif (token := client.token()) is None:
        yield from ("By address it can't read a token from a variable: `--show-token` writes the token itself.", "")
    else:
        yield from ("By address:", "", *_block(client, client.text(client.http(Http(_ADDRESS, token)))))


_WHOSE = {"project": "a project", "user": "all that you do"}


def _place(scope: str, name: str) -> str:
    return f"~/{name}" if scope == "user" else name


def _block(client: Client, text: str) -> Iterator[str]:
    yield from (f"```{'toml' if client.toml else 'json'}", text.rstrip(), "```", "")
