"""One spelling per notebook: `x.ipynb`, `./x.ipynb` and `/x.ipynb` are the same room."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from .errors import BadPathError

SUFFIX = ".ipynb"
_CHECKPOINT = "-checkpoint"  # is added to the names of the copies in .ipynb_checkpoints
_SHOWN = 80  # characters of a path in an error
LONGEST_PATH = 4096  # characters; PATH_MAX of Linux is as many bytes


def canonical(path: str, *, allow_hidden: bool = False) -> str:
    """Return the contents-API path of a notebook, relative to the root, with `/` between parts.

    Raises BadPathError for anything that leaves the root, is hidden (unless `allow_hidden`), or is not
    a `.ipynb`.
    """
    parts = _parts(path, allow_hidden=allow_hidden, what="notebooks")
    if not parts or not parts[-1].endswith(SUFFIX) or parts[-1] == SUFFIX:
        raise BadPathError(f"{path!r} is no notebook; the path must end in {SUFFIX}.")
    return "/".join(parts)


def canonical_folder(path: str, *, allow_hidden: bool = False) -> str:
    """Return the contents-API path of a folder, empty for the root. Raises BadPathError, as `canonical` does."""
    return "/".join(_parts(path, allow_hidden=allow_hidden, what="folders"))


def _parts(path: str, *, allow_hidden: bool, what: str) -> list[str]:
    if len(path) > LONGEST_PATH:
        raise BadPathError(f"The path has {len(path)} characters; at most {LONGEST_PATH} can be used.")
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise BadPathError(f"{path!r} has half of a character (a lone surrogate); send the path as UTF-8.")
    for spelling in (path, unquote(path)):
        # The decoded spelling is judged too: some contents managers decode once more.
        if "\\" in spelling or any(character < " " for character in spelling):
            raise BadPathError(f"{path!r} has a backslash or control character; use '/' between folders.")
        parts = [part for part in spelling.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise BadPathError(f"{path!r} leaves the root; give a path below the server's root folder.")
        if not allow_hidden and any(part.startswith(".") for part in parts):
            raise BadPathError(f"{path!r} is hidden; only {what} that are not hidden can be used.")
    return [part for part in path.split("/") if part not in ("", ".")]


def contained(root: str | None, path: str) -> None:
    """Refuse a path whose symlinks end outside the root; does nothing without a local root."""
    if not root:
        return
    at = root
    for part in path.split("/"):
        at = f"{at}/{part}"
        if os.path.islink(at):  # noqa: PTH114 - each call comes through here, and a Path costs ten times as much
            break
    else:
        return
    # Not Path.resolve, which raises where links lead round in a circle: nothing can be opened there.
    base = os.path.realpath(os.path.expanduser(root))  # noqa: PTH111
    target = os.path.realpath(f"{base}/{path}")
    if os.path.commonpath((base, target)) != base:
        raise BadPathError(f"{path!r} is a link out of the root; copy the notebook below the root first.")


def saveable(root: str | None, path: str) -> None:
    """Raise BadPathError if Jupyter can't save a notebook of that name: its copies beside it have longer names.

    Without a local root nothing is known of the names that can be.
    """
    if not root:
        return
    try:
        most = os.pathconf(root, "PC_NAME_MAX") - len(_CHECKPOINT)
    except (OSError, ValueError):
        return
    length = len(os.fsencode(path.rpartition("/")[2]))
    if length > most:
        raise BadPathError(
            f"The name of {path[:_SHOWN]!r}… has {length} bytes, and Jupyter can save a notebook whose name has at "
            f"most {most}; nothing was changed. Choose a shorter name."
        )


def file_of(root: str | None, path: str) -> str:
    """Return the absolute path of a notebook's file, links resolved; empty without a local root."""
    return os.path.realpath(f"{root}/{path}") if root else ""


def walk(root: str) -> list[str]:
    """List the notebooks below a local root, sorted; hidden folders and links are left out."""
    found: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(Path(root, folder)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    relative = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(relative)
                    elif entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                        found.append(relative)
        except OSError:
            continue  # not readable, deleted just now, or a path too long: it holds nothing the server can open
    return sorted(found)
