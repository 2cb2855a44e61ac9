"""What is no notebook is refused with what is wrong with it, before anything is saved over it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_ydoc import YNotebook
from tornado.web import HTTPError

from jupyter_mcp.replies.excerpt import Wanted, cell_in_brief, excerpt
from jupyter_mcp.rooms import snapshot
from jupyter_mcp.rooms.loaders import read_notebook
from tests.support.odd import odd_ones

CELL = {"id": "a", "cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [], "execution_count": None}
NOTEBOOK: dict[str, Any] = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
OLD = {"cell_type": "code", "input": "x = 1", "outputs": [], "language": "python", "collapsed": False}


def without(*names: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in {**NOTEBOOK, **changed}.items() if key not in names}


def with_output(*outputs: Any) -> dict[str, Any]:
    return without(cells=[{**CELL, "outputs": outputs}])


def read(folder: Path, content: Any) -> dict[str, Any]:
    (folder / "n.ipynb").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    contents = AsyncFileContentsManager(root_dir=str(folder))
    return asyncio.run(read_notebook(contents, "n.ipynb", logging.getLogger()))["content"]


@pytest.mark.filterwarnings("ignore")  # nbformat tells more of such files
@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(without("nbformat"), 'has no "nbformat"', id="no format"),
        pytest.param(without("nbformat", "nbformat_minor"), '"nbformat": 4', id="no format at all"),
        pytest.param(without(nbformat=1), 'says "nbformat": 1', id="format 1"),
        pytest.param(without(nbformat=True), 'says "nbformat": true', id="format true"),
        pytest.param(without(nbformat=3), 'shape: "worksheets" is missing', id="format 3"),
        pytest.param(without(nbformat=5), "Unsupported nbformat version 5", id="format 5"),
        pytest.param(without(cells={}), '"cells" is no list but an object', id="cells are an object"),
        pytest.param(without(cells={"a": CELL}), "not of a notebook's shape", id="cells by name"),
        pytest.param(without(cells=None), "not of a notebook's shape", id="cells are null"),
        pytest.param(without(cells=[{**CELL, "source": 3}]), "cell 0 has no text", id="source is a number"),
        pytest.param(without(metadata=[]), 'shape: "metadata" is no object but a list', id="metadata is a list"),
        pytest.param(without(cells=[{**CELL, "metadata": None}]), 'its "metadata" no object but null', id="m"),
        pytest.param(
            without(nbformat_minor="5"), '"nbformat_minor" is no whole number but a text', id="minor is a text"
        ),
        pytest.param([], "shape: it is no object but a list", id="a list"),
        pytest.param(None, "shape: it is no object but null", id="null"),
        pytest.param(without(cells=[CELL, {"id": "b"}]), "cell 1 has no text", id="a cell of nothing"),
        pytest.param(without(cells=[{**CELL, "source": ["x", 3]}]), "cell 0 has no text", id="a line is a number"),
        pytest.param(without(cells=[{**CELL, "source": ["\ud800", 3]}]), "cell 0 has no text", id="half a pair too"),
        pytest.param(without(cells=[{**CELL, "outputs": None}]), 'its "outputs" no list but null', id="outputs null"),
        pytest.param(with_output({}), r'an output \(0\) without an "output_type"', id="output without a type"),
        pytest.param(with_output(None), r"an output \(0\) that is no object but null", id="output null"),
        pytest.param(with_output({"output_type": "stream", "text": {"a": 1}}), "without a text", id="stream of a dict"),
        pytest.param(
            json.dumps(without(metadata={"a": 0})).replace(": 0}", f": {'9' * 6000}}}"), "digits", id="digits"
        ),
        pytest.param("", "it is empty", id="empty"),
        pytest.param("{", r"it is no JSON: .*line 1 column 2", id="cut off"),
        pytest.param(json.dumps(NOTEBOOK, indent=1).replace("\n", "\n<<<<<<< HEAD\n", 1), "line 2", id="a conflict"),
        pytest.param("\ufeff" + json.dumps(NOTEBOOK), "it is no JSON: .*BOM", id="byte order mark"),
    ],
)
def test_what_is_no_notebook_is_told_with_what_is_wrong(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(HTTPError, match=said) as refused:
        read(tmp_path, content)
    assert str(refused.value.log_message).startswith("Unreadable Notebook: n.ipynb: ")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "content",
    [
        NOTEBOOK,
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [OLD]}]},
        {"nbformat": 2, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [OLD]}]},
        {"nbformat": 1, "cells": [{"cell_type": "code", "code": "x = 1"}]},
        without(metadata={"orig_nbformat": 2}),
    ],
    ids=["4", "3", "2", "1", "4 that was 2"],
)
def test_notebooks_of_every_format_are_read_with_their_sources(tmp_path: Path, content: Any) -> None:
    assert [cell["source"] for cell in read(tmp_path, content)["cells"]] == ["x = 1"]


@pytest.mark.filterwarnings("ignore")
def test_a_text_that_lacks_is_empty(tmp_path: Path) -> None:
    nothing = {**CELL, "source": None, "outputs": [{"output_type": "stream", "name": "stdout"}]}
    lacking = {key: item for key, item in CELL.items() if key != "source"}
    cells = read(tmp_path, without(cells=[nothing, {**lacking, "id": "b"}]))["cells"]
    assert [cell["source"] for cell in cells] == ["", ""]
    assert cells[0]["outputs"][0]["text"] == ""


ANY = without(
    cells=[
        {
            **CELL,
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
                {"output_type": "display_data", "data": {"text/plain": ["x"], "image/png": "AA=="}, "metadata": {}},
            ],
        },
        {
            "id": "m",
            "cell_type": "markdown",
            "source": ["# t"],
            "metadata": {},
            "attachments": {"a": {"image/png": ""}},
        },
    ],
    metadata={"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}, "half": "\ud800"},
)


@pytest.mark.filterwarnings("ignore")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(content=odd_ones(ANY) | odd_ones({**ANY, "nbformat_minor": 4, "metadata": {}}))
def test_what_is_read_can_be_shown_shared_and_saved_and_the_rest_is_refused(tmp_path: Path, content: Any) -> None:
    async def shown(notebook: dict[str, Any]) -> None:
        for wanted in (Wanted(), Wanted(outline=True), Wanted(outputs="full"), Wanted(max_chars=300)):
            json.dumps(await excerpt(notebook, wanted, {}))
        for cell in notebook["cells"]:
            await cell_in_brief({"id": "?", **cell})

    async def saved(notebook: dict[str, Any]) -> None:
        contents = AsyncFileContentsManager(root_dir=str(tmp_path))
        await contents.save({"type": "notebook", "format": "json", "content": notebook}, "saved.ipynb")

    try:
        found = read(tmp_path, content)
    except HTTPError as refused:
        assert str(refused.log_message).startswith("Unreadable Notebook: n.ipynb: ")  # noqa: PT017
        return
    asyncio.run(shown(found))
    document = YNotebook()
    document.set(found)
    asyncio.run(shown(snapshot.seen(document)))
    asyncio.run(saved(snapshot.read(document)))
