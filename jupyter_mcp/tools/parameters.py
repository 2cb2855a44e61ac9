"""Parameters that several tools share, and what tools say of themselves."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Literal

from mcp.types import ToolAnnotations
from pydantic import BeforeValidator, Field

CellType = Literal["code", "markdown", "raw"]
Path = str  # of a notebook, below the server's root
Index = int | None  # from 0; negative counts from the end
CellId = str | None  # wins over `index`


def _ids(cells: object) -> object:
    """Take a list that came as its JSON text; raise ValueError with where indexes go."""
    if isinstance(cells, str) and cells.startswith("["):
        with suppress(ValueError):
            cells = json.loads(cells)
    if cells is None or (isinstance(cells, list) and all(isinstance(one, str) for one in cells)):
        return cells
    raise ValueError("give a list of ids; for indexes there are `start` and `stop`, and leave it out to run all")


CellIds = Annotated[list[str] | None, BeforeValidator(_ids), Field(description="Their ids, in the order to run")]
Expected = str | None  # the revision that the cell must still have

OverPerson = bool  # do it though a person types there

WAIT = 45.0
Wait = Annotated[float, Field(ge=0, le=3600, description="Seconds")]

READS: dict[str, bool] = {"reads": True, "destroys": False, "repeatable": True}


def hints(title: str, *, reads: bool, destroys: bool, repeatable: bool, world: bool = False) -> ToolAnnotations:
    """Return the annotations of a tool (MCP 2025-06-18, ToolAnnotations)."""
    return ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destroys,
        idempotent_hint=repeatable,
        open_world_hint=world,
    )
