"""Which of two cells that are the same is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_mcp.rooms.twins import twins


def cell(cell_id: Any, source: str, *outputs: str, cell_type: str = "code") -> dict[str, Any]:
    return {"id": cell_id, "source": source, "cell_type": cell_type, "outputs": list(outputs)}


@pytest.mark.parametrize(
    ("cells", "gone"),
    [
        ([], []),
        ([cell("a", "1"), cell("b", "1")], []),
        ([cell("a", "1"), cell("a", "2")], []),
        ([cell("a", "1"), cell("a", "1", cell_type="markdown")], []),
        ([cell(None, "1"), cell(None, "1"), cell("", "1"), cell("", "1"), cell(7, "1"), cell(7, "1")], []),
        ([cell("a", "1"), cell("b", "2"), cell("a", "1")], [2]),
        ([cell("a", "1", "out"), cell("a", "1", "out")], [1]),
        ([cell("a", "1"), cell("a", "1", "out"), cell("a", "1")], [0, 2]),
        ([cell("a", "1"), cell("a", "1"), cell("a", "1", "out")], [0, 1]),
    ],
)
def test_the_cell_with_outputs_stays_or_the_first(cells: list[dict[str, Any]], gone: list[int]) -> None:
    assert twins(cells) == gone
