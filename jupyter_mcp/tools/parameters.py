"""Parameters that several tools share, and what tools say of themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.types import ToolAnnotations
from pydantic import Field

CellType = Literal["code", "markdown", "raw"]
Path = Annotated[str, Field(description="Notebook path below the server's root, e.g. 'a/b.ipynb'")]
Index = Annotated[int | None, Field(description="Cell position from 0; negative counts from the end")]
CellId = Annotated[str | None, Field(description="The cell's id; lasting, wins over `index`; prefer it")]
Expected = Annotated[
    str | None,
    Field(description="`revision` from get_cell; the call is refused if the cell's type or source changed since"),
]

OverPerson = Annotated[
    bool, Field(description="Do it also while a person is typing in the cell; without, the call is refused")
]

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
