"""What JupyterLab's dialog shows to connect an agent's client by address: the formats of `jupyter mcp connect`."""

from __future__ import annotations

import shlex

from jupyter_mcp.client_formats import CLIENTS, NAME, Http

HIDDEN = "\u2022" * 8
"""In the place of the token, until it is asked for."""


def connections(url: str, token: str) -> list[dict[str, str]]:
    """Return a label and a text for each way: a command, what goes into each client's file, and the bare header."""
    header = f"Authorization: Bearer {token}"
    words = ("claude", "mcp", "add", "--transport", "http", NAME, url, "--header", header)
    rows = [{"label": "Claude Code", "text": shlex.join(words)}]
    for client in CLIENTS.values():
        if client.http is not None:
            text = client.text(client.http(Http(url, token))).rstrip()
            rows.append({"label": f"{client.title}: {next(iter(client.files.values()))}", "text": text})
    return [*rows, {"label": "Any other client: the header", "text": header}]
