"""The edits of `edit_notebook` done to a plain nbformat notebook, one after the other: what the tool must equal."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Notebook = dict[str, Any]


class RefusedError(Exception):
    """The edit can't be done."""


def edited(notebook: Notebook, edits: list[dict[str, Any]]) -> Notebook:
    """Return the notebook after all edits; new cells have the id "". Raises RefusedError."""
    made = deepcopy(notebook)
    for edit in edits:
        _DO[edit["op"]](made, edit)
    return made


def _at(notebook: Notebook, cell_id: str) -> int:
    for at, cell in enumerate(notebook["cells"]):
        if cell["id"] == cell_id:
            return at
    raise RefusedError(cell_id)


def _ids(edit: dict[str, Any]) -> list[str]:
    return edit.get("cell_ids") or ([edit["cell_id"]] if "cell_id" in edit else [])


def _place(notebook: Notebook, edit: dict[str, Any]) -> int:
    if "before" in edit:
        return _at(notebook, edit["before"])
    return _at(notebook, edit["after"]) + 1 if "after" in edit else len(notebook["cells"])


def new_cell(source: str, cell_type: str) -> dict[str, Any]:
    """Return a cell as the tool makes it, without an id."""
    cell: dict[str, Any] = {"id": "", "cell_type": cell_type, "source": source, "metadata": {}}
    if cell_type == "code":
        cell |= {"metadata": {"trusted": True}, "outputs": [], "execution_count": None}
    return cell


def _insert(notebook: Notebook, edit: dict[str, Any]) -> None:
    at = _place(notebook, edit)
    cells = edit.get("cells") or [{"source": edit["source"], "cell_type": edit.get("cell_type", "code")}]
    notebook["cells"][at:at] = [new_cell(cell["source"], cell.get("cell_type", "code")) for cell in cells]


def _replace(notebook: Notebook, edit: dict[str, Any]) -> None:
    notebook["cells"][_at(notebook, edit["cell_id"])]["source"] = edit["source"]


def _str_replace(notebook: Notebook, edit: dict[str, Any]) -> None:
    cells = [notebook["cells"][_at(notebook, one)] for one in _ids(edit)] or notebook["cells"]
    count = sum(cell["source"].count(edit["old"]) for cell in cells)
    if count == 0 or (count > 1 and not edit.get("all")):
        raise RefusedError(edit["old"])
    for cell in cells:
        cell["source"] = cell["source"].replace(edit["old"], edit["new"])


def _move(notebook: Notebook, edit: dict[str, Any]) -> None:
    if {edit.get("before"), edit.get("after")} & set(_ids(edit)):
        raise RefusedError("moved to itself")
    cells = [notebook["cells"][_at(notebook, one)] for one in _ids(edit)]
    notebook["cells"] = [cell for cell in notebook["cells"] if not any(cell is one for one in cells)]
    at = _place(notebook, edit)
    notebook["cells"][at:at] = cells


def _split(notebook: Notebook, edit: dict[str, Any]) -> None:
    at = _at(notebook, edit["cell_id"])
    cell = notebook["cells"][at]
    lines = cell["source"].split("\n")
    if not 1 < edit["line"] <= len(lines):
        raise RefusedError(edit["line"])
    second = {**new_cell("\n".join(lines[edit["line"] - 1 :]), cell["cell_type"]), "metadata": dict(cell["metadata"])}
    cell["source"] = "\n".join(lines[: edit["line"] - 1])
    notebook["cells"].insert(at + 1, second)


def _merge(notebook: Notebook, edit: dict[str, Any]) -> None:
    first, *rest = [notebook["cells"][_at(notebook, one)] for one in edit["cell_ids"]]
    if not rest:
        raise RefusedError("one cell")
    if any(cell["cell_type"] != first["cell_type"] for cell in rest):
        raise RefusedError("types")
    code = first["cell_type"] == "code"
    first["source"] = ("\n" if code else "\n\n").join(cell["source"] for cell in (first, *rest))
    if code:
        first |= {"outputs": [], "execution_count": None}
    notebook["cells"] = [cell for cell in notebook["cells"] if not any(cell is one for one in rest)]


def _set_type(notebook: Notebook, edit: dict[str, Any]) -> None:
    for one in _ids(edit):
        cell = notebook["cells"][_at(notebook, one)]
        if cell["cell_type"] == edit["cell_type"]:
            continue
        kept = {key: value for key, value in cell["metadata"].items() if key != "trusted"}
        made = new_cell(cell["source"], edit["cell_type"])
        made |= {"id": one, "metadata": {**kept, **made["metadata"]}}
        cell.clear()
        cell.update(made)


def _clear_outputs(notebook: Notebook, edit: dict[str, Any]) -> None:
    cells = [notebook["cells"][_at(notebook, one)] for one in _ids(edit)]
    if any(cell["cell_type"] != "code" for cell in cells):
        raise RefusedError("no code")
    for cell in cells or notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}


def _set_metadata(notebook: Notebook, edit: dict[str, Any]) -> None:
    owners = [notebook["cells"][_at(notebook, one)] for one in _ids(edit)] or [notebook]
    for owner in owners:
        for key, value in edit["metadata"].items():
            owner["metadata"].pop(key, None)
            if value is not None:
                owner["metadata"][key] = value


def _delete(notebook: Notebook, edit: dict[str, Any]) -> None:
    for one in _ids(edit):
        del notebook["cells"][_at(notebook, one)]


_DO = {
    "insert": _insert,
    "replace": _replace,
    "str_replace": _str_replace,
    "move": _move,
    "split": _split,
    "merge": _merge,
    "set_type": _set_type,
    "clear_outputs": _clear_outputs,
    "set_metadata": _set_metadata,
    "delete": _delete,
}
