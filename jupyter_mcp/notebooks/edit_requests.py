"""What an agent asks of `edit_notebook`: one object for each edit, checked before anything is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from jupyter_mcp.errors import BadCellError
from jupyter_mcp.kernels.messages import clean
from jupyter_mcp.rooms.content_check import TooDeepError, unsound
from jupyter_mcp.suggestions import meant, unknown_names

MOST_EDITS = 200
CELL_TYPES = ("code", "markdown", "raw")
_TARGETS = frozenset({"cell_id", "cell_ids", "expected"})
_PLACE = frozenset({"before", "after"})
# What each kind of edit takes, and of that what it can't do without.
OPERATIONS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "insert": (_PLACE | {"source", "cell_type", "cells", "name", "expected"}, frozenset()),
    "replace": (_TARGETS | {"source", "cell_type"}, frozenset({"cell_id", "source"})),
    "str_replace": (_TARGETS | {"old", "new", "all", "whole_word"}, frozenset({"old", "new"})),
    "move": (_TARGETS | _PLACE, frozenset()),
    "split": (frozenset({"cell_id", "line", "name", "expected"}), frozenset({"cell_id", "line"})),
    "merge": (frozenset({"cell_ids", "expected"}), frozenset({"cell_ids"})),
    "set_type": (_TARGETS | {"cell_type"}, frozenset({"cell_type"})),
    "clear_outputs": (_TARGETS, frozenset()),
    "set_metadata": (_TARGETS | {"metadata"}, frozenset({"metadata"})),
    "delete": (_TARGETS, frozenset()),
}
ALIASES = {"type": "set_type", "metadata": "set_metadata", "clear": "clear_outputs", "update": "replace"}
_NEEDS_CELLS = ("move", "set_type", "delete")


@dataclass(frozen=True)
class NewCell:
    """A cell to make; later edits of the call may use `name` as its id."""

    source: str
    cell_type: str = "code"
    name: str | None = None


@dataclass(frozen=True)
class Edit:
    """One checked edit. `targets` are ids of cells; `expected` their revisions, as many or none."""

    op: str
    targets: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    cells: tuple[NewCell, ...] = ()
    source: str = ""
    cell_type: str | None = None
    old: str = ""
    new: str = ""
    every: bool = False
    whole_word: bool = False
    line: int = 0
    name: str | None = None
    metadata: Mapping[str, Any] | None = None


def parse_edits(asked: object) -> list[Edit]:
    """Return the edits that are asked for. Raises BadCellError, which names the edit and what it should be."""
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
        raise BadCellError("`edits` is a list of at least one object, each with an `op`; nothing was changed.")
    if len(asked) > MOST_EDITS:
        raise BadCellError(f"`edits` has {len(asked)} edits; at most {MOST_EDITS} a call. Nothing was changed.")
    found = []
    for number, one in enumerate(asked, 1):
        try:
            found.append(_edit(one))
        except BadCellError as error:
            raise refused(number, len(asked), _op_of(one), error) from error
    return found


def refused(number: int, count: int, op: str, error: Exception) -> BadCellError:
    """Return an edit's error as the call's, of the same class: which of the edits, and that nothing was changed."""
    kind = type(error) if isinstance(error, BadCellError) else BadCellError
    return kind(f"Edit {number} of {count} ({op}): {error} Nothing was changed.")


def _op_of(one: object) -> str:
    op = one.get("op") if isinstance(one, Mapping) else None
    return op[:20] if isinstance(op, str) else "no `op`"


def _edit(one: object) -> Edit:
    if not isinstance(one, Mapping):
        raise BadCellError("An edit is an object.")
    given = {key: value for key, value in one.items() if value is not None}
    op = given.pop("op", None)
    op = ALIASES.get(op, op) if isinstance(op, str) else op
    if not isinstance(op, str) or op not in OPERATIONS:
        guess = meant(op, OPERATIONS) if isinstance(op, str) else None
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise BadCellError(f"`op` is one of {', '.join(OPERATIONS)}.{hint}")
    known, needed = OPERATIONS[op]
    if unknown := [str(key) for key in given if key not in known]:
        raise BadCellError(unknown_names(unknown, sorted(known)))
    if missing := sorted(needed - given.keys()):
        raise BadCellError(f"It needs {', '.join(f'`{name}`' for name in missing)}.")
    return _checked(op, given)


def _checked(op: str, given: dict[str, Any]) -> Edit:
    if "cell_id" in given and "cell_ids" in given:
        raise BadCellError("Give `cell_id` or `cell_ids`, not both.")
    if "before" in given and "after" in given:
        raise BadCellError("Give `before` or `after`, not both.")
    targets = (_text(given, "cell_id"),) if "cell_id" in given else _texts(given, "cell_ids")
    if len(set(targets)) < len(targets):
        raise BadCellError("`cell_ids` names a cell twice.")
    if op in _NEEDS_CELLS and not targets:
        raise BadCellError("It needs `cell_id` or `cell_ids`.")
    if op in ("replace", "split") and len(targets) != 1:
        raise BadCellError("It needs one `cell_id`.")
    if op == "merge" and len(targets) < 2:  # noqa: PLR2004 - two make one
        raise BadCellError("`cell_ids` needs at least two cells to merge, in the order their text is to have.")
    known = {each.name for each in fields(Edit)}
    rest = {key: _CHECKS[key](given, key) for key in given if key in known and key in _CHECKS}
    edit = Edit(op, targets, _expected(given, targets, op), every=_flag(given, "all"), **rest)
    if op == "str_replace" and not edit.old:
        raise BadCellError("`old` is empty; give the text to replace.")
    return Edit(**{**vars(edit), "cells": _new_cells(given)}) if op == "insert" else edit


def _new_cells(given: dict[str, Any]) -> tuple[NewCell, ...]:
    if "cells" not in given:
        if "source" not in given:
            raise BadCellError("It needs `source`, or `cells` for several.")
        return (_new_cell(given),)
    cells = given["cells"]
    if "source" in given or "name" in given:
        raise BadCellError("Give `source` for one cell or `cells` for several, not both.")
    if not isinstance(cells, Sequence) or isinstance(cells, str) or not 0 < len(cells) <= MOST_EDITS:
        raise BadCellError(f"`cells` is a list of 1 to {MOST_EDITS} objects with `source`.")
    made = []
    for cell in cells:
        if isinstance(cell, str):
            made.append(NewCell(clean(cell), _cell_type(given, "cell_type")))
            continue
        if not isinstance(cell, Mapping):
            raise BadCellError("Each of `cells` is an object with `source`.")
        known = ("source", "cell_type", "name")
        if unknown := [str(key) for key in cell if key not in known]:
            raise BadCellError(unknown_names(unknown, known))
        kept = {key: value for key, value in cell.items() if value is not None}
        made.append(_new_cell({"cell_type": given.get("cell_type", "code"), **kept}))
    return tuple(made)


def _new_cell(given: dict[str, Any]) -> NewCell:
    name = _text(given, "name") if "name" in given else None
    return NewCell(_source(given, "source"), _cell_type(given, "cell_type"), name)


def _expected(given: dict[str, Any], targets: tuple[str, ...], op: str) -> tuple[str, ...]:
    if "expected" not in given:
        return ()
    asked = given["expected"]
    # Of many cells: as many revisions, in a list or in one text.
    found = tuple(asked.split()) if isinstance(asked, str) else _texts(given, "expected")
    count = ("before" in given or "after" in given) if op == "insert" else len(targets)
    if len(found) != count:
        raise BadCellError(f"`expected` has {len(found)} revisions for {int(count)} cells; give one for each, or none.")
    return found


def _text(given: dict[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise BadCellError(f"`{key}` is a text that is not empty.")
    return str(clean(value))


def _texts(given: dict[str, Any], key: str) -> tuple[str, ...]:
    if key not in given:
        return ()
    value = given[key]
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or not value or not all(isinstance(one, str) and one for one in value):
        raise BadCellError(f"`{key}` is a list of texts.")
    return tuple(value)


def _source(given: dict[str, Any], key: str) -> str:
    value = given.get(key)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "".join(value)  # as nbformat has it
    if not isinstance(value, str):
        raise BadCellError(f"`{key}` is a text.")
    return str(clean(value))


def _cell_type(given: dict[str, Any], key: str) -> str:
    value = given.get(key, "code")
    if value not in CELL_TYPES:
        raise BadCellError(f"`cell_type` is one of {', '.join(CELL_TYPES)}.")
    return str(value)


def _flag(given: dict[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise BadCellError(f"`{key}` is true or false.")
    return value


def _line(given: dict[str, Any], key: str) -> int:
    value = given[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCellError("`line` is a whole number: the line, from 1, with which the second cell begins.")
    return value


def _metadata(given: dict[str, Any], key: str) -> Mapping[str, Any]:
    value = given[key]
    if not isinstance(value, Mapping) or not value:
        raise BadCellError("`metadata` is an object of the keys to set; null removes one.")
    if "trusted" in value:
        raise BadCellError("`trusted` is not an agent's to set: it lets a notebook's outputs run code in the browser.")
    try:
        if unsound(value):
            raise BadCellError("`metadata` holds what JSON can't: NaN, an integer past 64 bits or half of a character.")
    except TooDeepError as error:
        raise BadCellError(f"`metadata` can't be kept: {error}.") from error
    return value


_CHECKS: dict[str, Any] = {
    "before": _text,
    "after": _text,
    "source": _source,
    "cell_type": _cell_type,
    "old": _source,
    "new": _source,
    "whole_word": _flag,
    "line": _line,
    "name": _text,
    "metadata": _metadata,
}
