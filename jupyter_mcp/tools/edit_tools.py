"""The tools that make many edits at once, and that take an agent's edits back."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastmcp.tools import ToolResult
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from jupyter_mcp.notebooks.edit_requests import CELL_TYPES, OPERATIONS
from jupyter_mcp.notebooks.undoing import MOST_AT_ONCE
from jupyter_mcp.replies.replies import reply, schema
from jupyter_mcp.rooms.actor import Author

from .accepted import with_its_run
from .parameters import OverPerson, Path, hints
from .toolbox import Toolbox

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_TYPE = {"type": "string", "enum": list(CELL_TYPES)}
# One flat object: callers' function calling takes no unions.
EDIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "op": {"type": "string", "enum": list(OPERATIONS)},
        "cell_id": _TEXT,
        "cell_ids": _TEXTS,
        "before": {"type": "string", "description": "insert, move; neither: the end"},
        "after": {"type": "string"},
        "source": {"type": "string", "description": "insert, replace"},
        "cell_type": _TYPE,
        "cells": {
            "type": "array",
            "description": "insert several",
            "items": {
                "type": "object",
                "properties": {"source": _TEXT, "cell_type": _TEXT, "name": _TEXT},
                "required": ["source"],
            },
        },
        "name": {"type": "string", "description": "insert, split: the new cell's id for later edits"},
        "old": {"type": "string", "description": "str_replace: once, in any cell without cell_id"},
        "new": _TEXT,
        "all": {"type": "boolean", "description": "str_replace each"},
        "whole_word": {"type": "boolean"},
        "line": {"type": "integer", "description": "split: first line of the new cell, from 1"},
        "metadata": {"type": "object", "description": "of cells or the notebook; null removes"},
        "expected": {"type": "string", "description": "`revision`, of several with spaces"},
    },
    "required": ["op"],
}


class ChangedCell(BaseModel):
    """A cell that was changed or made."""

    id: str
    index: int
    revision: str
    new: bool = False
    name: str = ""


class EditReply(BaseModel):
    """What was done."""

    path: str
    cell_count: int
    done: list[str]
    cells: list[ChangedCell]
    more_cells: int = 0
    diff: str
    change: int = 0
    undone: list[int] = []
    kept: list[str] = []


def _from_text(value: object) -> object:
    """Return what a text holds as JSON: some models send a list so."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


Edits = Annotated[
    Any,
    BeforeValidator(_from_text),
    WithJsonSchema({"type": "array", "items": EDIT_SCHEMA}),
]


def offer_edit_tools(tools: Toolbox) -> None:
    """Offer `edit_notebook`, `undo_edits` and `restore_cell`."""
    server, notebooks, undoing = tools.server, tools.notebooks, tools.undoing

    @server.tool(
        annotations=hints("Edit a notebook", reads=False, destroys=True, repeatable=False),
        output_schema=schema(EditReply),
    )
    async def edit_notebook(path: Path, edits: Edits, *, over_person: OverPerson = False) -> ToolResult:
        """Make many edits, in order, all or none. Gives ids, revisions, a diff. Merged code loses outputs."""
        await tools.admit(("write", "contents"))
        return await with_its_run(tools, path, reply(await notebooks.edit(path, edits, over_person=over_person)))

    @server.tool(
        annotations=hints("Take edits back", reads=False, destroys=True, repeatable=False),
        output_schema=schema(EditReply),
    )
    async def undo_edits(
        path: Path,
        count: Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="Calls")] = 1,
        change: Annotated[int | None, Field(description="Instead: the one of this number")] = None,
        *,
        over_person: OverPerson = False,
    ) -> ToolResult:
        """Take back your last edits; what others did since stays (`kept`). Gives ids, revisions, a diff."""
        agent = await tools.admit(("write", "contents"))
        author = Author(agent.id, agent.kind, agent.name)
        done = await undoing.undo(path, author, count=count, number=change, over_person=over_person)
        return await with_its_run(tools, path, reply(done))

    @server.tool(
        annotations=hints("Restore a cell", reads=False, destroys=False, repeatable=False),
        output_schema=schema(EditReply),
    )
    async def restore_cell(path: Path, cell_id: str) -> ToolResult:
        """Bring back a cell that an agent deleted, with outputs, at its place."""
        await tools.admit(("write", "contents"))
        return await with_its_run(tools, path, reply(await undoing.restore(path, cell_id)))
