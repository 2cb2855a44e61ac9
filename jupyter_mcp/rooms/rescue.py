"""What can't go into a notebook's own file goes beside it, under a name that nobody has."""

from __future__ import annotations

from logging import Logger
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp.paths import SUFFIX

from .merge import Notebook


async def rescue(contents: Any, path: str, content: Notebook, log: Logger) -> str:
    """Write `content` to `NAME.recovered.ipynb`, or `NAME.recovered-2.ipynb` and so on; gives the path."""
    stem = path.removesuffix(SUFFIX)
    number = 1
    while await ensure_async(contents.file_exists(_name(stem, number))):
        number += 1
    target = _name(stem, number)
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": content}, target))
    log.error("%s was changed outside and can't be merged; edits not saved before are in %s", path, target)
    return target


async def keep_bytes(contents: Any, path: str, log: Logger) -> None:
    """Keep what a file has that is no notebook beside it, as `NAME.unreadable.txt`, before it is written over.

    Raises what the contents manager raises.
    """
    model = await ensure_async(contents.get(path, type="file", content=True))
    if not model["content"]:
        return
    number = 1
    while await ensure_async(contents.file_exists(target := f"{path}.unreadable-{number}.txt")):
        number += 1
    kept = {"type": "file", "format": model["format"], "content": model["content"]}
    await ensure_async(contents.save(kept, target))
    log.error("%s was no notebook any more; what it held is in %s", path, target)


def _name(stem: str, number: int) -> str:
    return f"{stem}.recovered{'' if number == 1 else f'-{number}'}{SUFFIX}"
