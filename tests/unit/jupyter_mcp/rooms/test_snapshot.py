"""Reading a live notebook at once gives what jupyter-ydoc gives cell by cell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Doc

from jupyter_mcp.rooms.snapshot import read

text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(text, values, max_size=3)
outputs = st.one_of(
    st.fixed_dictionaries({"output_type": st.just("stream"), "name": st.just("stdout"), "text": text}),
    st.fixed_dictionaries(
        {
            "output_type": st.just("display_data"),
            "data": st.dictionaries(st.sampled_from(["text/plain", "application/json"]), values, max_size=2),
            "metadata": metadata,
        }
    ),
    st.fixed_dictionaries(
        {"output_type": st.just("error"), "ename": text, "evalue": text, "traceback": st.lists(text, max_size=2)}
    ),
)


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    cells: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["code", "markdown", "raw"]))
        cell = {"id": f"cell-{number}", "cell_type": kind, "source": draw(text), "metadata": draw(metadata)}
        if kind == "code":
            count = draw(st.none() | st.integers(1, 99))
            cell |= {"outputs": draw(st.lists(outputs, max_size=3)), "execution_count": count}
        elif draw(st.booleans()):
            cell["attachments"] = draw(st.sampled_from([{}, {"a.png": {"image/png": "AA=="}}]))
        cells.append(cell)
    minor = draw(st.sampled_from([2, 4, 5]))
    return {"cells": cells, "metadata": draw(metadata), "nbformat": 4, "nbformat_minor": minor}


@given(notebooks())
@settings(max_examples=200, deadline=None)
def test_it_is_what_jupyter_ydoc_gives(notebook: dict[str, Any]) -> None:
    document = YNotebook()
    document.set(notebook)
    assert read(document) == document.get()


def test_an_empty_document_is_an_empty_notebook() -> None:
    assert read(YNotebook(Doc())) == YNotebook(Doc()).get()


def test_two_cells_with_one_id_get_two() -> None:
    document = YNotebook()
    first, second = ({"id": "same", "cell_type": "raw", "source": source, "metadata": {}} for source in ("1", "2"))
    document.set({"cells": [first], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    document.append_cell(second)
    with pytest.warns(UserWarning, match="Non-unique cell ID"):
        cells = read(document)["cells"]
    assert [cell["source"] for cell in cells] == ["1", "2"]
    assert cells[0]["id"] != cells[1]["id"]
