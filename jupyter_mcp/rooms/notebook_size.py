"""Files that are too large to be read as a notebook: reading one takes several times its size of memory.

Whoever may write a file could otherwise have the server killed for lack of memory, with everybody's kernels, by one
call that opens it.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .notebook_shape import unreadable

MOST_BYTES = 256 << 20
_most = [MOST_BYTES]  # of this process, which is one server


def limit(most: int) -> None:
    """Read no larger notebooks from now on; 0 is no limit."""
    _most[0] = most


def too_large(size: int) -> bool:
    """Return whether a file of that many bytes is not read."""
    return 0 < _most[0] < size


async def require_readable_size(contents: Any, path: str) -> None:
    """Raise HTTPError if the file is too large; one whose size can't be seen is not."""
    size = await _size(contents, path)
    if too_large(size):
        reason = (
            f"it has {size / (1 << 20):.0f} MiB, and this server opens notebooks of at most {_most[0] / (1 << 20):.0f} "
            "(JupyterMCP.max_notebook_bytes); `jupyter nbconvert --clear-output --inplace` takes outputs out of a file"
        )
        # 413 and not 400: recovery takes what it can't read for our own write that was cut short.
        raise unreadable(path, reason, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _size(contents: Any, path: str) -> int:
    try:
        if root := getattr(contents, "root_dir", None):
            return os.stat(f"{root}/{path}").st_size  # noqa: PTH116 - at each reading; a Path costs more
        model = await ensure_async(contents.get(path, content=False))
    except (OSError, ValueError, HTTPError):
        return 0
    return size if isinstance(size := model.get("size"), int) else 0
