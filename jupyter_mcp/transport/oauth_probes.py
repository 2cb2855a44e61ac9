"""Answers for MCP clients that look for OAuth: there is none here, and they are told so in a form that they read.

Clients ask for these before, or after, a 401 (MCP 2025-11-25, "Authorization"); to Jupyter's pages for browsers some of
them answer with a fault of their own.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler

from .origins import allow_page

PATHS = (
    r"/\.well-known/oauth-[\w-]+(?:/.*)?",
    r"/\.well-known/openid-configuration(?:/.*)?",
    r"/mcp/\.well-known/.*",
    r"/(?:mcp/)?register",
)
NO_OAUTH = "This server has no OAuth. Send its token in a header: 'Authorization: Bearer TOKEN'."


class NoOAuth(JupyterHandler):
    """Answers 404 as JSON to everybody: it says nothing that differs from server to server."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Say that there is no OAuth."""
        self.set_status(HTTPStatus.NOT_FOUND)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        allow_page(self)
        await self.finish(json.dumps({"error": "not_found", "error_description": NO_OAUTH}))

    head = post = put = delete = options = get

    async def prepare(self) -> None:  # type: ignore[override]
        """Check the host alone: nobody is asked who they are, and no cookie is set."""
        if not self.check_host():
            self.set_status(HTTPStatus.FORBIDDEN)
            self.finish()

    def check_xsrf_cookie(self) -> None:
        """Check nothing: nothing is done here."""
