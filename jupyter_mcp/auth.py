"""Who is asking, and may they: Jupyter's own identity and Authorizer, header tokens only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from fastmcp.server.dependencies import get_http_request
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async

from .errors import NotAllowed

Action = Literal["read", "write", "execute"]
SCOPE_KEY = "jupyter_mcp.caller"


@dataclass(frozen=True)
class Caller:
    """The authenticated side of one HTTP request.

    `key` is a fingerprint of the credential: a token user's `username` differs on every request.
    """

    key: str
    name: str
    handler: JupyterHandler

    async def require(self, action: Action, resource: str) -> None:
        """Ask the server's Authorizer; raises NotAllowed."""
        allowed = self.handler.authorizer.is_authorized(self.handler, self.handler.current_user, action, resource)
        if not await ensure_async(allowed):
            raise NotAllowed(f"You may not {action} {resource} on this server; ask its owner.")


def fingerprint(authorization: str) -> str:
    """Identify a credential without keeping it."""
    return hashlib.sha256(authorization.encode()).hexdigest()[:24]


def caller() -> Caller:
    """Give the caller of the tool that is running now."""
    found = get_http_request().scope.get(SCOPE_KEY)
    if not isinstance(found, Caller):
        raise NotAllowed("This request did not come through Jupyter's authentication.")
    return found


def origin_allowed(origin: str | None, host: str, settings: dict[str, Any]) -> bool:
    """Tell whether a browser page at `origin` may talk to us.

    Jupyter skips this check when a token is present; a token in a hostile page is no reason to.
    """
    if origin is None:
        return True
    if urlsplit(origin).netloc.lower() == host.lower():
        return True
    allow = settings.get("allow_origin", "")
    if allow:
        return bool(allow == "*" or origin == allow)
    pattern = settings.get("allow_origin_pat", "")
    return bool(pattern and re.match(pattern, origin))
