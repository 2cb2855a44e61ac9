"""Who is asking, and may they: Jupyter's own identity and Authorizer, header credentials only."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from fastmcp.server.dependencies import get_http_request
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from tornado import web

from jupyter_mcp.errors import NotAllowedError
from jupyter_mcp.probe import Part, works

Action = Literal["read", "write", "execute"]
SCOPE_KEY = "jupyter_mcp.caller"
_MAX_PASSWORDS = 64  # remembered checks of a password; each distinct header is one

# Of this process: a fingerprint in a reply or a log must not help to guess a token.
_SECRET = secrets.token_bytes(32)
_good_passwords: set[str] = set()
_password_lock = asyncio.Lock()


@dataclass(frozen=True)
class Caller:
    """The authenticated side of one HTTP request.

    `key` tells callers apart: the user's name where the identity provider knows the user (a Hub),
    else a fingerprint of the shared credential, since Jupyter names a token's user anew each time.
    """

    key: str
    name: str
    shared: bool  # the credential is the server's own, not one user's
    handler: JupyterHandler = field(repr=False)

    async def require(self, action: Action, resource: str) -> None:
        """Ask the server's Authorizer; raises NotAllowedError."""
        allowed = self.handler.authorizer.is_authorized(self.handler, self.handler.current_user, action, resource)
        if not await ensure_async(allowed):
            raise NotAllowedError(f"You may not {action} {resource} on this server; ask its owner.")


def fingerprint(credential: str) -> str:
    """Identify a credential without keeping it; differs from process to process."""
    return hmac.digest(_SECRET, credential.encode("utf-8", "surrogateescape"), "sha256").hex()[:24]


def caller() -> Caller:
    """Return the caller of the tool that is running now."""
    found = get_http_request().scope.get(SCOPE_KEY)
    if not isinstance(found, Caller):
        raise NotAllowedError("This request did not come through Jupyter's authentication.")
    return found


def session_owner(caller: Caller) -> AuthenticatedUser:
    """Return the principal that the SDK binds an MCP session to; it carries no token."""
    return AuthenticatedUser(AccessToken(token="", client_id=caller.key, scopes=[]))


async def authenticate(handler: Any, *, allow_unauthenticated: bool) -> Caller:
    """Find out who sent the request; raises 401 or 403.

    A cookie and a token in the URL are sent by browsers and kept in logs: neither counts.
    """
    provider = handler.identity_provider
    credential = handler.request.headers.get("Authorization", "")
    if "Cookie" in handler.request.headers:
        del handler.request.headers["Cookie"]
    if "token" in handler.request.query_arguments:
        handler.request.uri = handler.request.path  # Tornado logs it
        raise web.HTTPError(401, "Send the token in the Authorization header, not in the URL.")
    if not provider.auth_enabled:
        if not allow_unauthenticated:
            raise web.HTTPError(
                403, "This server has no authentication; set a token, or opt in with JupyterMCP.allow_unauthenticated."
            )
    elif not credential:
        raise web.HTTPError(401, "Send 'Authorization: Bearer TOKEN'.")
    elif works(Part.PASSWORDS) and await _is_password(provider, credential):
        # What get_user() then returns, as after a login with the form.
        handler._jupyter_current_user = provider.generate_anonymous_user(handler)  # noqa: SLF001
    await handler.prepare_jupyter()
    user = handler.current_user
    if user is None:
        raise web.HTTPError(401, "The token is not valid.")
    name = getattr(user, "display_name", None) or getattr(user, "username", "") or "agent"
    shared = _shared_key(provider, credential)
    return Caller(shared or f"user {fingerprint(user.username)}", str(name), shared is not None, handler)


def _shared_key(provider: Any, credential: str) -> str | None:
    """Return the key of a caller whom only the server's own token or password identifies."""
    if not provider.auth_enabled:
        return "anyone"
    kind = type(provider)
    knows_users = (kind.get_user, kind.get_user_token) != (IdentityProvider.get_user, IdentityProvider.get_user_token)
    # Without its scheme: "token X" and "Bearer X" are one credential.
    return None if knows_users else fingerprint(credential.partition(" ")[2].strip())


async def _is_password(provider: Any, credential: str) -> bool:
    """Return whether the header is HTTP Basic (RFC 7617) with the server's password; the user part is not read."""
    scheme, _, encoded = credential.partition(" ")
    hashed = getattr(provider, "hashed_password", "")
    if scheme.lower() != "basic" or not hashed or not isinstance(provider, PasswordIdentityProvider):
        return False
    try:
        password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = fingerprint(f"{hashed}\0{password}")
    if known in _good_passwords:
        return True
    async with _password_lock:  # one slow hash at a time: guessing must not take the machine
        good = await asyncio.to_thread(provider.passwd_check, password)
    if good and len(_good_passwords) < _MAX_PASSWORDS:
        _good_passwords.add(known)
    return bool(good)
