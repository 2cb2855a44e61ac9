"""`jupyter mcp list`: the servers that run."""

from __future__ import annotations

import json
import sys
from typing import Any

from .servers import Found, running
from .stdio import say


def show(*, as_json: bool, token: bool) -> int:
    """Print the running servers, the one that was started last first; their tokens only if asked for."""
    found = running()
    if as_json:
        sys.stdout.write(json.dumps([_told(one, token=token) for one in found], indent=2) + "\n")
        return 0
    if not found:
        say("no Jupyter server of yours runs; start one with `jupyter lab`")
        return 0
    rows = [
        (one.server.url, one.server.root or "?", "MCP answers" if one.mcp else f"no MCP: {one.note}") for one in found
    ]
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    for one, (url, root, mcp) in zip(found, rows, strict=True):
        shown = f"  token {one.server.token or 'none'}" if token else ""
        sys.stdout.write(f"{url:{widths[0]}}  {root:{widths[1]}}  {mcp}{shown}\n")
    return 0


def _told(found: Found, *, token: bool) -> dict[str, Any]:
    server = found.server
    about: dict[str, Any] = {
        "url": server.url,
        "mcp_url": server.mcp,
        "root": server.root,
        "pid": server.pid,
        "version": server.version,
        "mcp": found.mcp,
        "note": found.note or None,
    }
    if token:
        about["token"] = server.token or None
    return about
