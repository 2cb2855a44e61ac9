"""Files that Jupyter reads as a notebook though they are none, or another: saved again, they would be wiped.

nbformat takes a file that names no format for one of 2011, and finds none of its sources. It checks little
else before it converts: what is missing, or of another type, ends in an error of Python's that tells an
agent nothing.
"""

from __future__ import annotations

import json
import re
import sys
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
_SHAPE = "it is JSON, but not of a notebook's shape"
_NO_JSON = object()
_NOW = 4  # the format that is written
_CONFLICT = re.compile("^<<<<<<< ?|^>>>>>>> ?", re.MULTILINE)


def unreadable(path: str, reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> HTTPError:
    """Return the error of a file that is no notebook."""
    return HTTPError(status, f"{_PREFIX}{path}: {reason}")


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
    notebook: Any = _NO_JSON
    try:
        notebook = json.loads(text)
        nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - boundary: nbformat's, of any kind
        return words(error, notebook)
    if found := _fault_of(notebook):
        return f"{_SHAPE}: {found}"
    return "it was changed while it was read; try again"


def words(error: Exception, notebook: Any = _NO_JSON) -> str:
    """Return what a reader's error says of a notebook; `notebook` is the JSON, if it is any."""
    said = " ".join(str(error).split()).removeprefix(_SAID)
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {said}"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, NBFormatError):
        return said
    if said.startswith("Exceeds the limit"):  # Python's own, for what takes it too long
        return f"it has an integer of more than {sys.get_int_max_str_digits()} digits"
    found = _fault_of(notebook)
    if found is None:
        found = f'"{said}" is missing' if said.isidentifier() else None
    return f"{_SHAPE}: {found}" if found else f"{_SHAPE} ({type(error).__name__}: {said})"


def _fault_of(notebook: Any) -> str | None:
    """Return what is wrong with a file's JSON; None if it is of another format than 4, or nothing is."""
    if notebook is _NO_JSON:
        return None
    if not isinstance(notebook, dict):
        return f"it is no object but {_kind(notebook)}"
    if notebook.get("nbformat") != _NOW:
        return None
    for key in ("nbformat", "nbformat_minor"):
        if not isinstance(number := notebook.get(key, 0), int) or isinstance(number, bool):
            return f'"{key}" is no whole number but {_kind(number)}'
    if not isinstance(metadata := notebook.get("metadata"), dict):
        return _no("metadata", "object", metadata, given="metadata" in notebook)
    return fault(notebook)


def check_shape(path: str, content: Any) -> None:
    """Raise HTTPError unless what was read has cells, each with a type and a text, and outputs that can be saved.

    A text that lacks, or is null, is made empty: the shared document takes only texts.
    """
    if found := fault(content):
        raise unreadable(path, found)
    for cell in content["cells"]:
        if cell.get("source") is None:
            cell["source"] = ""
        for output in _outputs(cell):
            if output["output_type"] == "stream" and output.get("text") is None:
                output["text"] = ""


def fault(content: Any) -> str | None:
    """Return what is wrong with the cells of a notebook of format 4, and where; None if nothing is.

    nbformat reads some of it, but neither a shared document nor a save takes it: what agents were told is done would
    never be in the file.
    """
    cells = content.get("cells")
    if not isinstance(cells, list):
        return _no("cells", "list", cells, given="cells" in content)
    for index, cell in enumerate(cells):
        found = _fault_of_cell(cell)
        if found is not None:
            return f"cell {index} {found}"
    return None


def _fault_of_cell(cell: Any) -> str | None:
    if not isinstance(cell, dict):
        return f"is no object but {_kind(cell)}"
    if not isinstance(cell.get("cell_type"), str) or not _is_text(cell.get("source")):
        return 'has no text as its "source", or no "cell_type"'
    if isinstance(cell.get("id"), dict | list):
        return f'has {_kind(cell["id"])} as its "id"'
    wanted: dict[str, tuple[type[Any], str]] = {"metadata": (dict, "object"), "attachments": (dict, "object")}
    if cell["cell_type"] == "code":
        wanted["outputs"] = (list, "list")
    for key, (kind, name) in wanted.items():
        if not isinstance(cell.get(key, None if key == "metadata" else kind()), kind):
            return f'has as its "{key}" no {name} but {_kind(cell.get(key))}'
    if not all(isinstance(file, dict) for file in cell.get("attachments", {}).values()):
        return "has an attachment that is no object"
    found = ((number, _fault_of_output(output)) for number, output in enumerate(_outputs(cell)))
    return next((f"has an output ({number}) {fault}" for number, fault in found if fault is not None), None)


def _fault_of_output(output: Any) -> str | None:
    if not isinstance(output, dict):
        return f"that is no object but {_kind(output)}"
    kind = output.get("output_type")
    if not isinstance(kind, str):
        return 'without an "output_type"'
    if kind == "stream" and not _is_text(output.get("text")):
        return 'of type "stream" without a text'
    if kind in ("display_data", "execute_result") and not isinstance(output.get("data", {}), dict):
        return f'whose "data" is no object but {_kind(output["data"])}'
    return None


def _outputs(cell: dict[str, Any]) -> list[Any]:
    found: list[Any] = cell.get("outputs", []) if cell["cell_type"] == "code" else []
    return found


def _is_text(value: Any) -> bool:
    """Return whether nbformat and a shared document take it for a text: also lines, and nothing."""
    if isinstance(value, list):
        return all(isinstance(line, str) for line in value)
    return value is None or isinstance(value, str)


def _no(name: str, kind: str, value: Any, *, given: bool) -> str:
    return f'"{name}" is no {kind} but {_kind(value)}' if given else f'"{name}" is missing'


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
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
