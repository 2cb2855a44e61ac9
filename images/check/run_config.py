"""What an image's configuration says about running it, with docker's defaults for what it leaves out.

OCI image-spec v1.1, config.md, lets almost everything be left out, and tools write null, empty lists or, as docker
once did, a text where a list belongs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from images.errors import LayoutError
from images.limits import plain
from images.oci.rooted import Root

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What docker sets where an image sets none."""
_LARGEST_ID = 2**31 - 1
_FILE = 4 << 20
"""Bytes of /etc/passwd and /etc/group that are read."""


def run_config(config: object, origin: object) -> dict[str, Any]:
    """Return the ``config`` object of a configuration with every key that is used here, each of its type.

    Raises:
        LayoutError: something in it is of another type than it may be, or no program's argument.

    """
    if config is not None and not isinstance(config, Mapping):
        raise _wrong(origin, "config")
    given: Mapping[str, Any] = config or {}
    env = [line for line in _texts(given, "Env", origin) if "=" in line[1:]]
    if not any(line.startswith("PATH=") for line in env):
        env.insert(0, f"PATH={DEFAULT_PATH}")
    return {
        **given,
        "User": _text(given, "User", origin),
        "Env": env,
        "Entrypoint": _texts(given, "Entrypoint", origin),
        "Cmd": _texts(given, "Cmd", origin),
        "WorkingDir": _text(given, "WorkingDir", origin) or "/",
        "Volumes": {path: {} for path in _table(given, "Volumes", origin) if _fit(path, "Volumes", origin)},
        "ExposedPorts": {port: {} for port in _table(given, "ExposedPorts", origin)},
        "Labels": {name: value for name, value in _table(given, "Labels", origin).items() if isinstance(value, str)},
    }


def _wrong(origin: object, key: str) -> LayoutError:
    return LayoutError(origin, f"has a configuration whose {key} is not what it must be")


def _fit(text: object, key: str, origin: object) -> bool:
    # What can't be a program's argument: NUL, and halves of characters that are in no UTF-8.
    if not isinstance(text, str) or "\0" in text:
        raise _wrong(origin, key)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _wrong(origin, key) from None
    return True


def _text(config: Mapping[str, Any], key: str, origin: object) -> str:
    text = config.get(key)
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    _fit(text or "", key, origin)
    return str(text or "")


def _texts(config: Mapping[str, Any], key: str, origin: object) -> list[str]:
    texts = config.get(key)
    if isinstance(texts, str):
        texts = [texts] if texts else []
    if not isinstance(texts or [], list):
        raise _wrong(origin, key)
    return [text for text in texts or [] if _fit(text, key, origin)]


def _table(config: Mapping[str, Any], key: str, origin: object) -> Mapping[str, Any]:
    table = config.get(key) or {}
    if not isinstance(table, Mapping):
        raise _wrong(origin, key)
    return table


def identity(user: str, root: Root, origin: object) -> tuple[int, int, str]:
    """Return the uid, the gid and the home folder that docker gives a process of an image for its ``User``.

    That is ``NAME`` or ``UID``, alone or with ``:GROUP`` or ``:GID``, names by the image's own files; none is root. A
    number needs no entry in them, and has group 0 then.

    Raises:
        LayoutError: a name that the image does not know, or a number that is none.

    """
    name, _, group = user.partition(":")
    name = name or "0"
    entries = _entries(root, "/etc/passwd", 6)
    number = _number(name)
    entry = next((one for one in entries if one[0] == name), None)
    if entry is None and number is not None:
        entry = next((one for one in entries if _number(one[2]) == number), None)
    uid = number if number is not None else _number(entry[2]) if entry is not None else None
    if uid is None:
        raise LayoutError(origin, f"runs as {plain(name, 60)!r}, which is not in its /etc/passwd")
    home = entry[5] if entry is not None and entry[5] and "\0" not in entry[5] else "/"
    if not group:
        gid = _number(entry[3]) if entry is not None else 0
        return uid, gid or 0, home
    found = _number(group)
    if found is None:
        found = next((_number(one[2]) for one in _entries(root, "/etc/group", 3) if one[0] == group), None)
    if found is None:
        raise LayoutError(origin, f"runs as group {plain(group, 60)!r}, which is not in its /etc/group")
    return uid, found, home


def _number(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= _LARGEST_ID:  # noqa: PLR2004 - digits
        return int(text)
    return None


def _entries(root: Root, path: str, count: int) -> list[list[str]]:
    try:
        text = root.read_text(path, _FILE)
    except OSError:
        return []
    return [fields for line in text.splitlines() if len(fields := line.split(":")) >= count]
