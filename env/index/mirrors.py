"""Where a conda channel is fetched from: its mirrors in pixi's own configuration, and whether one answers.

``[mirrors]`` maps the start of an address to what replaces it (pixi's configuration reference). The files are pixi's,
the later ones counting more: the system's, ``$XDG_CONFIG_HOME/pixi/``, ``$PIXI_HOME`` or ``~/.pixi/``, the checkout's
``.pixi/``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty, Queue

import httpx
from rattler.config import Config
from rattler.exceptions import ConfigError

from env.errors import ChannelUnreachableError, SpecError
from env.spec import ROOT

PROBE_S = 2.0
"""Seconds that a probe waits for an answer."""
PATIENCE_S = 15.0
"""Seconds that a fetch waits for the first answer of a channel or mirror."""
_MIRROR = "set a mirror in pixi's config.toml ([mirrors])"
WAYS_OUT = f"{_MIRROR}, bring a filled store with JUPYTER_MCP_STORE, or take the other environment with --env wheels"
OWN_WAYS_OUT = f"{_MIRROR}, or bring a filled store with JUPYTER_MCP_STORE"
"""The same where the channel is one of somebody's own project: there is no other environment."""


def configuration(root: Path = ROOT) -> Config:
    """Read pixi's configuration.

    Raises:
        SpecError: a file of it is not valid.

    """
    places = [*Config.config_search_paths("pixi"), (root / ".pixi" / "config.toml", False)]
    try:
        return Config.load_from_locations([(path, shared) for path, shared in places if path.is_file()])
    except ConfigError as error:
        raise SpecError("pixi's config.toml", " ".join(str(error).split())) from None


def bases(channel: str, root: Path = ROOT) -> list[str]:
    """Return the addresses, with a slash at the end, that a channel's files may be fetched from, in order.

    The longest address in ``[mirrors]`` that the channel starts with counts; without one it is the channel's own.
    Mirrors of other kinds than HTTP are left to pixi.
    """
    mirrors = configuration(root).mirrors
    found = sorted((start for start in mirrors if channel.startswith(f"{start.rstrip('/')}/")), key=len)
    if not found:
        return [channel]
    rest = channel.removeprefix(f"{found[-1].rstrip('/')}/")
    addresses = [f"{mirror.rstrip('/')}/{rest}" for mirror in mirrors[found[-1]]]
    return [address for address in addresses if address.startswith(("http://", "https://"))] or [channel]


def answering_base(channel: str, file: str, *, patience_s: float = PATIENCE_S, root: Path = ROOT) -> str:
    """Return the first address of a channel that offers `file`, a path below it.

    Raises:
        ChannelUnreachableError: none does within `patience_s` seconds each.

    """
    for base in bases(channel, root):
        if answers(f"{base}{file}", patience_s):
            return base
    raise ChannelUnreachableError(channel, WAYS_OUT)


def answers(url: str, patience_s: float) -> bool:
    """Say whether a server offers a URL, at the latest after that many seconds, name resolution included."""
    result: Queue[bool] = Queue()
    # A daemon: nobody waits for a name server that does not answer.
    threading.Thread(target=lambda: result.put(_offers(url, patience_s)), daemon=True).start()
    try:
        return result.get(timeout=patience_s)
    except Empty:
        return False


def _offers(url: str, patience_s: float) -> bool:
    try:
        with httpx.Client(follow_redirects=True, timeout=patience_s) as client, client.stream("GET", url) as response:
            return response.is_success
    except httpx.HTTPError:
        return False
