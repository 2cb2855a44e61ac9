"""Files that Jupyter reads as a notebook though they are none, or another: saved again, they would be wiped.

nbformat takes a file that names no format for one of 2011, and finds none of its sources. It checks little
else before it converts: what is missing, or of another type, ends in an error of Python's that tells an
agent nothing.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import nbformat
from jupyter_server.utils import ensure_async
from nbformat import NBFormatError
from tornado.web import HTTPError

from jupyter_mcp.errors import why

_OLDEST = (1, 2)  # formats without "source" in cells
_PREFIX = "Unreadable Notebook: "
_SAID = "The notebook is invalid and is missing an expected key: "  # also where none is missing
_CONFLICT = re.compile("^<<<<<<< ?|^>>>>>>> ?", re.MULTILINE)


def unreadable(path: str, reason: str) -> HTTPError:
    """Return the error of a file that is no notebook."""
    return HTTPError(HTTPStatus.BAD_REQUEST, f"{_PREFIX}{path}: {reason}")


def reason(path: str, error: BaseException, root: str | None) -> str:
    """Return why a notebook can't be read, in a few words; its path is told beside them."""
    return why(error, root).removeprefix(f"{_PREFIX}{path}: ")


async def explained(contents: Any, path: str, error: HTTPError) -> HTTPError:
    """Return a contents manager's error; that a file is no notebook, with words for what is wrong with it."""
    if not str(error.log_message or "").startswith(_PREFIX):
        return error
    try:
        raw = await ensure_async(contents.get(path, type="file", format="text", content=True))
        return unreadable(path, _reason(raw["content"]))
    except Exception:  # noqa: BLE001 - boundary: any contents manager, any file; what it said first is the answer then
        return error


def _reason(text: str) -> str:
    if not text.strip():
        return "it is empty"
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        return f"line {line} has the marks of a merge conflict"
    try:
        json.loads(text)
        nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - boundary: nbformat's, of any kind
        return _words(error)
    return "it was changed while it was read; try again"


def _words(error: Exception) -> str:
    said = " ".join(str(error).split()).removeprefix(_SAID)
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {said}"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, NBFormatError):
        return said
    shape = "it is JSON, but not of a notebook's shape"
    return f'{shape}: "{said}" is missing' if said.isidentifier() else f"{shape} ({type(error).__name__}: {said})"


def check_shape(path: str, content: Any) -> None:
    """Raise HTTPError unless what was read has cells, each with a type and a text."""
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise unreadable(path, f'"cells" is no list but {_kind(cells)}')
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict):
            raise unreadable(path, f"cell {index} is no object but {_kind(cell)}")
        source = cell.get("source")
        if not isinstance(source, str | list | None) or not isinstance(cell.get("cell_type"), str):
            raise unreadable(path, f'cell {index} has no text as its "source", or no "cell_type"')


async def check_format(contents: Any, path: str, content: Any) -> None:
    """Raise HTTPError where a notebook was read as one of format 1 or 2 and its cells are of format 4."""
    if content.get("metadata", {}).get("orig_nbformat") not in _OLDEST:
        return
    raw = await ensure_async(contents.get(path, type="file", format="text", content=True))
    notebook = json.loads(raw["content"])
    cells = notebook.get("cells")
    if notebook.get("nbformat") in (3, 4) or not isinstance(cells, list):
        return
    if any(isinstance(cell, dict) and "source" in cell for cell in cells):
        named = (
            f'says "nbformat": {json.dumps(notebook["nbformat"])}' if "nbformat" in notebook else 'has no "nbformat"'
        )
        raise unreadable(
            path,
            f'it {named}, and its cells are of format 4: with "nbformat": 4 and "nbformat_minor": 5 in the file it can '
            "be read (as it is, Jupyter reads every cell as empty)",
        )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "missing"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
