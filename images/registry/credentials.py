"""Credentials for a registry from where `docker login` and `podman login` keep them.

The files, in the order of containers-auth.json(5): ``$REGISTRY_AUTH_FILE``, else podman's ``auth.json`` and docker's
``config.json`` (docker's reference, `docker login`, credential stores). A helper program is asked as docker asks it
(docker-credential-helpers, `get`).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from images.errors import CredentialsError
from images.registry.reference import DOCKER_HUB

HUB_KEYS = (f"https://index.{DOCKER_HUB}/v1/", f"index.{DOCKER_HUB}")
HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+")
HELPER_SECONDS = 60
NOT_FOUND = "credentials not found"
TOKEN_USER = "<token>"  # noqa: S105 - what a helper gives as the user's name where the secret is a token


@dataclass(frozen=True)
class Credentials:
    """What a person logged in with. Its secrets are in no repr, so that no message or log can hold them."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """To be changed for a bearer token at the registry's token server (OAuth 2 refresh token)."""
    registry_token: str = field(default="", repr=False)
    """A bearer token for the registry itself."""

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header (RFC 7617); empty where there is no password."""
        if not self.user:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_credentials(registry: str, repository: str, variables: Mapping[str, str] = os.environ) -> Credentials | None:
    """Return the first credentials that are configured for a registry, or None.

    Raises:
        CredentialsError: a file or helper program that should have them can't be read.

    """
    for path in _files(variables):
        if path.is_file() and (found := _from_file(path, registry, repository)) is not None:
            return found
    return None


def _files(variables: Mapping[str, str]) -> Iterator[Path]:
    if named := variables.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    home = Path(variables.get("HOME") or Path.home())
    if runtime := variables.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    else:
        yield Path("/run/containers") / str(os.getuid()) / "auth.json"
    yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(variables.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _from_file(path: Path, registry: str, repository: str) -> Credentials | None:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise CredentialsError(path, error.strerror or "can't be read") from None
    except ValueError:
        raise CredentialsError(path, "is not JSON") from None
    if not isinstance(config, dict):
        raise CredentialsError(path, "is not a JSON object")
    keys = _keys(registry, repository)
    helpers = _table(config, "credHelpers", path)
    for key in keys:
        if key in helpers:
            return _from_helper(str(helpers[key]), key, path)
    if (store := config.get("credsStore")) and (found := _from_helper(str(store), _server_key(registry), path)):
        return found
    entries = {_normal(key): entry for key, entry in _table(config, "auths", path).items()}
    for key in keys:
        if found := _from_entry(entries.get(_normal(key)), path, registry):
            return found
    return None


def _table(config: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = config.get(name) or {}
    if not isinstance(table, dict):
        raise CredentialsError(path, f"{name!r} is not a JSON object")
    return table


def _server_key(registry: str) -> str:
    return HUB_KEYS[0] if registry == DOCKER_HUB else registry


def _keys(registry: str, repository: str) -> list[str]:
    # The longest first: podman lets people log in to a part of a registry.
    names = repository.split("/")
    parts = [f"{registry}/{'/'.join(names[:count])}" for count in range(len(names), 0, -1)]
    return [*parts, registry, *(HUB_KEYS if registry == DOCKER_HUB else ())]


def _normal(key: str) -> str:
    # docker wrote keys as addresses once, and still does for its own registry.
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _from_entry(entry: object, path: Path, registry: str) -> Credentials | None:
    if not isinstance(entry, dict):
        return None
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if packed := entry.get("auth"):
        try:
            user, colon, password = base64.b64decode(str(packed), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise CredentialsError(path, f"the entry for {registry} can't be decoded")
        password = password.rstrip("\0")
    found = Credentials(user, password, str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or ""))
    return None if found == Credentials() else found


def _from_helper(name: str, key: str, path: Path) -> Credentials | None:
    program = f"docker-credential-{name}"
    # The name becomes a program's: it must not become a path.
    if not HELPER_NAME.fullmatch(name):
        raise CredentialsError(path, "names a credential helper with characters that no program has")
    try:
        run = subprocess.run(
            [program, "get"], input=key, capture_output=True, text=True, check=False, timeout=HELPER_SECONDS
        )
    except FileNotFoundError:
        raise CredentialsError(program, f"is not installed, and {path} names it") from None
    except (OSError, subprocess.TimeoutExpired):
        raise CredentialsError(program, "does not answer") from None
    if run.returncode:
        if NOT_FOUND in run.stdout + run.stderr:
            return None
        # What it printed may hold a secret.
        raise CredentialsError(program, f"ends with exit code {run.returncode}")
    try:
        answer = json.loads(run.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(program, "gives no JSON with Username and Secret") from None
    if user == TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(user, secret)
