"""Put one entry into a client's configuration: what else is in the file stays, and a fault leaves it whole."""

from __future__ import annotations

import copy
import os
import re
import stat
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from jupyter_mcp.client_formats import NAME, TRANSPORT_KEYS, Client, Entry, toml_lines, toml_table

from . import jsonc
from .errors import BadFileError, CantWriteError

_LARGEST = 16 << 20  # bytes
_TABLE = re.compile(r"\s*\[")
_KEY = re.compile(r"""\s*(?:([A-Za-z0-9_-]+)|"([^"\\]*)"|'([^']*)')\s*=""")


def merged(client: Client, text: str, entry: Entry) -> str:
    """Return a configuration's text with the entry in it; keys of an old entry that are no address stay.

    Raises BadFileError where the text can't be read, or where the change would touch anything else.
    """
    try:
        new, before, after = (_toml if client.toml else _json)(client, text, entry)
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"it can't be read: {str(error) or type(error).__name__}") from None
    if after != _with_entry(client, before, entry):
        raise BadFileError("its form is one that can't be changed without risk")
    return new


def _with_entry(client: Client, whole: Any, entry: Entry) -> Any:
    """Return the value of the file as it should be."""
    result = inner = copy.deepcopy(whole)
    for key in client.keys:
        inner = inner.setdefault(key, {})
    old = inner.get(NAME)
    kept = {key: value for key, value in old.items() if key not in TRANSPORT_KEYS} if isinstance(old, dict) else {}
    inner[NAME] = {**kept, **entry}
    return result


def _json(client: Client, text: str, entry: Entry) -> tuple[str, Any, Any]:
    if not text.strip().lstrip("\ufeff"):
        text = "{}\n"
    before = jsonc.parse(text).value
    inner = before
    for key in (*client.keys, NAME):
        if not isinstance(inner, dict):
            raise BadFileError(f"{key!r} has no place in it: what should hold it is not an object")
        inner = inner.get(key, {})
    place = (*client.keys, NAME)
    if isinstance(inner, dict) and inner:
        for key, value in entry.items():
            if key not in inner or inner[key] != value:
                text = jsonc.put(text, (*place, key), value)
        for key in inner:
            if key in TRANSPORT_KEYS and key not in entry:
                text = jsonc.take(text, (*place, key))
    else:
        text = jsonc.put(text, place, entry)
    return text, before, jsonc.parse(text).value


def _toml(client: Client, text: str, entry: Entry) -> tuple[str, Any, Any]:
    keys = (*client.keys, NAME)
    before = tomllib.loads(text)
    if NAME in before.get(client.keys[0], {}):
        text = _toml_changed(text, keys, entry)
    else:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        text = f"{text}{gap}{toml_table(keys, entry)}"
    return text, before, tomllib.loads(text)


def _toml_changed(text: str, keys: tuple[str, ...], entry: Entry) -> str:
    """Exchange the lines of a table that say where the server is; who calls looks whether that was right."""
    lines, result, inside, at = text.splitlines(keepends=True), [], False, 0
    while at < len(lines):
        line = lines[at]
        if _TABLE.match(line):
            name = _table_name(line)
            inside = name == keys
            if inside:
                result += [line if line.endswith("\n") else f"{line}\n", *toml_lines(entry)]
                at += 1
                continue
            if len(name) > len(keys) and name[: len(keys)] == keys and name[len(keys)] in TRANSPORT_KEYS:
                at = _after_table(lines, at)
                continue
        found = _KEY.match(line) if inside else None
        if found and next(filter(None, found.groups()), "") in TRANSPORT_KEYS:
            at = _after_value(lines, at)
            continue
        result.append(line)
        at += 1
    return "".join(result)


def _after_table(lines: list[str], at: int) -> int:
    """Return the number of the line behind a table; remarks before the next one belong to that."""
    end = at + 1
    while end < len(lines) and not _TABLE.match(lines[end]):
        end += 1
    while end > at + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _table_name(line: str) -> tuple[str, ...]:
    """Return the name of the table that a line begins, () if it is none."""
    try:
        value: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    name = []
    while isinstance(value, dict) and value:
        (key,) = value
        name.append(key)
        value = value[key]
    return tuple(name) if value == {} else ()


def _after_value(lines: list[str], at: int) -> int:
    """Return the number of the line behind a key's value, which may take many."""
    for end in range(at + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[at:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return at + 1


def read(path: Path) -> bytes | None:
    """Return a configuration's bytes, None if there is none. Raises BadFileError."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
            raise BadFileError(f"{path} is no configuration: not a file, or too large")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadFileError(f"{path} can't be read: {error.strerror}") from error


def write(path: Path, old: bytes | None, new: str, *, secret: bool) -> None:
    """Put a text in the place of `old`, whole or not at all; with `secret`, for its owner alone.

    Raises CantWriteError.
    """
    target = Path(os.path.realpath(path))  # a link to where somebody keeps such files stays one
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(new.encode())
            file.flush()
            os.fsync(handle)
        temporary.chmod(_mode(target) & (0o600 if secret else 0o7777))
        if read(target) != old:
            raise CantWriteError(f"{path} was changed meanwhile, and is left as it is; run this again")
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise CantWriteError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _mode(target: Path) -> int:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def decoded(path: Path, content: bytes | None) -> str:
    """Return a configuration's text. Raises BadFileError."""
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        raise BadFileError(f"{path} is not UTF-8") from None
