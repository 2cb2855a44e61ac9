"""Which web pages may talk to us: the server's own, and those of `ServerApp.allow_origin` and `allow_origin_pat`.

Jupyter skips the check of the origin when a token is present; a token in a hostile page is no reason to.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

# What a page may send and read (Fetch, "CORS protocol"). `*` does not cover Authorization.
_HEADERS = (
    "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name"
)
_METHODS = "GET, POST, DELETE"
_EXPOSED = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
_MAX_AGE = "600"  # seconds a browser may remember the answer
_PARAMETER = re.compile(r"mcp-param-[\w-]{1,64}", re.IGNORECASE)


def origin_allowed(origin: str | None, host: str, settings: dict[str, Any]) -> bool:
    """Return whether a browser page at `origin` may talk to us; None is a client that is no page."""
    if origin is None:
        return True
    try:
        own = urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # no URL
        return False
    return own or _configured(origin, settings)


def _configured(origin: str, settings: dict[str, Any]) -> bool:
    allow = settings.get("allow_origin", "")
    if allow:
        return bool(allow in ("*", origin))
    pattern = settings.get("allow_origin_pat", "")
    try:
        return bool(pattern and re.fullmatch(pattern, origin))
    except re.error:
        return False


def preflight(handler: Any) -> bool:
    """Answer a browser that asks whether a page of another origin may call; tells whether this was such a question.

    It never carries a credential. So it is answered only to the origins that the server's owner named, and says
    nothing that differs from server to server.
    """
    headers = handler.request.headers
    origin = headers.get("Origin")
    if origin is None or "Access-Control-Request-Method" not in headers or not _configured(origin, handler.settings):
        return False
    if not handler.check_host():
        return False
    asked = [name.strip() for name in headers.get("Access-Control-Request-Headers", "").split(",")]
    parameters = [name for name in asked if _PARAMETER.fullmatch(name)]
    allow_page(handler)
    handler.clear_header("Content-Type")
    handler.set_header("Access-Control-Allow-Methods", _METHODS)
    handler.set_header("Access-Control-Allow-Headers", ", ".join((_HEADERS, *parameters)))
    handler.set_header("Access-Control-Max-Age", _MAX_AGE)
    return True


def allow_page(handler: Any) -> None:
    """Let a page of a configured origin read the reply, also that of an error."""
    origin = handler.request.headers.get("Origin")
    if origin is not None and _configured(origin, handler.settings):
        handler.set_header("Access-Control-Allow-Origin", origin)
        handler.set_header("Access-Control-Expose-Headers", _EXPOSED)
        handler.add_header("Vary", "Origin")
