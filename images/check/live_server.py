"""Try an image's checks on a server that already runs somewhere: no source, no container runtime, only its address."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from images.check.run import Report, Verdict, judge
from images.check.run_config import run_config
from images.check.verbs import Target
from images.errors import NoChecksError, UnreadableInputError
from images.oci.read import read_layout
from images.recipe.checks import LABEL, SECTIONS, Check, Variables, from_label


def image_config(reference: Path) -> dict[str, Any]:
    """Return the configuration of an image: of an OCI layout's first platform, or of what `podman inspect` prints.

    Raises:
        UnreadableInputError: it is neither.
        LayoutError: a layout that is damaged.

    """
    if reference.is_dir():
        images = read_layout(reference)
        if images:
            config: dict[str, Any] = next(iter(images.values())).config.get("config") or {}
            return config
        raise UnreadableInputError(reference, "holds no image for a platform that is known")
    found: dict[str, Any] = inspected(reference)[0]["Config"]
    return found


def inspected(path: Path) -> list[dict[str, Any]]:
    """Read what ``podman inspect`` or ``docker inspect`` prints of images or containers; each has a ``Config``.

    Raises:
        UnreadableInputError: the file is something else.

    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableInputError(path, f"can't be read: {error.strerror}") from None
    except ValueError:
        raise UnreadableInputError(path, "is not JSON, as `podman inspect NAME` prints it") from None
    entries = found if isinstance(found, list) else [found]
    if not entries or not all(isinstance(one, dict) and isinstance(one.get("Config"), dict) for one in entries):
        raise UnreadableInputError(path, "has no Config, as what `podman inspect NAME` prints has")
    return entries


def check_live(config: Mapping[str, Any], origin: object, url: str, token: str | None, report: Report) -> list[Verdict]:
    """Try the checks of scope ``deploy`` on the server at `url`; those that look inside the container are skipped.

    Raises:
        NoChecksError: the image carries none.
        RecipeError: its label is not one of checks.

    """
    config = run_config(config, origin)
    sections = from_label((config.get("Labels") or {}).get(LABEL, "{}"), origin)
    checks = [check for name in SECTIONS for check in sections.get(name, ()) if check.scope == "deploy"]
    if not checks:
        raise NoChecksError(origin)
    target = Target(None, _variables(config, url), token)
    verdicts = []
    for check in checks:
        here = _at(check, url)
        if _asks_elsewhere(here, url, target.variables):
            verdicts.append(Verdict(url, check.id, None, 0, "it asks another server than this one"))
        else:
            verdicts.append(judge(here, target, url))
        report(verdicts[-1])
    return verdicts


def _at(check: Check, url: str) -> Check:
    """Let a check of the image's own server go to `url`: it may be served by https, or below a path."""
    own = "http://${CONTAINER_IP}:${HOST_PORT:"
    values = check.model_dump(by_alias=True)
    for key in ("http", "mcp"):
        if str(values.get(key, "")).startswith(own):
            values[key] = url.rstrip("/") + values[key].removeprefix(own).partition("}")[2]
    values["within"] = 0  # it is at work already
    return type(check).model_validate(values)


def _asks_elsewhere(check: Check, url: str, variables: Variables) -> bool:
    """Return whether a check, which is whoever's made the image, would lead this host or the token somewhere else."""
    try:
        values = variables.fill(check.model_dump(by_alias=True))
        own = urlsplit(url)
        if "addr" in values:
            return str(values["addr"]).rpartition(":")[0].strip("[]") != (own.hostname or "")
        asked = values.get("http") or values.get("mcp")
        if asked is None:
            return False
        # As the client that will ask reads it, which need not be as another does.
        client, server = httpx.URL(asked), httpx.URL(url)
    except KeyError:
        return False  # a variable without a value is told as such
    except (ValueError, httpx.InvalidURL):
        return True
    return (client.scheme, client.host, client.port) != (server.scheme, server.host, server.port)


def _variables(config: Mapping[str, Any], url: str) -> Variables:
    parts = urlsplit(url)
    environment = dict(line.split("=", 1) for line in config.get("Env") or ())
    port = parts.port or (443 if parts.scheme == "https" else 80)
    ports: Sequence[str] = list(config.get("ExposedPorts") or ())
    return Variables(
        {
            "HOME": environment.get("HOME", "/"),
            "CONTAINER_IP": parts.hostname or "",
            "RUN": secrets.token_hex(4),
            **{f"HOST_PORT:{exposed.partition('/')[0]}": str(port) for exposed in ports},
            **{f"VOLUME_PATH:{path.rpartition('/')[2]}": path for path in config.get("Volumes") or ()},
            **{f"ENV_{name}": value for name, value in environment.items()},
        }
    )
