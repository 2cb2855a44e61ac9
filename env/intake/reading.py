"""Somebody else's files, read with every mistake in them told: file, line, and what is wrong."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import tomli

from env.errors import EnvError, LockFormatError, SpecError

P = ParamSpec("P")
T = TypeVar("T")
LARGEST = 256 << 20
"""Bytes above which no manifest or lock is read."""


def content_of(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        SpecError: it can't be read.

    """
    try:
        if path.stat().st_size > LARGEST:
            raise SpecError(path, "is larger than any manifest or lock")
        return path.read_bytes()
    except OSError as error:
        raise SpecError(path, f"can't be read ({error.strerror})") from None


def text_of(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 where it begins with that mark, as PowerShell writes it.

    Raises:
        SpecError: it can't be read, or is no text.

    """
    content = content_of(path)
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(f"{path}:{line}", f"is no text in UTF-8 ({error.reason})") from None


def toml_of(path: Path) -> dict[str, Any]:
    """Return what a TOML file says (TOML 1.1, which contains 1.0).

    Raises:
        SpecError: it can't be read, or is not TOML; the message has the line.

    """
    try:
        data: dict[str, Any] = tomli.loads(text_of(path))
    except tomli.TOMLDecodeError as error:
        raise SpecError(f"{path}:{error.lineno}", f"not TOML: {error}") from None
    except (ValueError, RecursionError) as error:
        raise SpecError(path, f"not TOML: {error}") from None
    return data


def line_of(path: Path, word: str) -> str:
    """Return ``path:line`` for the first line that holds a word; the path alone where none does."""
    try:
        lines = text_of(path).splitlines()
    except EnvError:
        return str(path)
    return next((f"{path}:{number}" for number, line in enumerate(lines, 1) if word and word in line), str(path))


def table(value: Any, path: Path, key: str) -> Mapping[str, Any]:
    """Return a value that must be a table; an absent one is empty.

    Raises:
        SpecError: it is something else.

    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError(line_of(path, key.rpartition(".")[2]), f"{key} is no table")
    return value


def array(value: Any, path: Path, key: str) -> list[Any]:
    """Return a value that must be an array; an absent one is empty.

    Raises:
        SpecError: it is something else.

    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise SpecError(line_of(path, key.rpartition(".")[2]), f"{key} is no array")
    return value


def told(path: Callable[..., Path], command: Callable[..., str]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Turn what a reader of a file can't make sense of into one line; `path` and `command` get its arguments.

    A file of somebody else's may hold anything: what its format forbids and no check names ends here, not in a
    traceback. py-rattler's panics are no Exceptions.
    """

    def wrap(read: Callable[P, T]) -> Callable[P, T]:
        @wraps(read)
        def reader(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return read(*args, **kwargs)
            except (EnvError, OSError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - as said above
                reason = f"is not as its format says ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
                raise LockFormatError(path(*args), reason, command=command(*args)) from None

        return reader

    return wrap
