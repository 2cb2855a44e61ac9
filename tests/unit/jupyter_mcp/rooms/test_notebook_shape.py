"""What is no notebook is refused with what is wrong with it, before anything is saved over it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from tornado.web import HTTPError

from jupyter_mcp.rooms.loaders import read_notebook

CELL = {"id": "a", "cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [], "execution_count": None}
NOTEBOOK: dict[str, Any] = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
OLD = {"cell_type": "code", "input": "x = 1", "outputs": [], "language": "python", "collapsed": False}


def without(*names: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in {**NOTEBOOK, **changed}.items() if key not in names}


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
        pytest.param(without(metadata=[]), "not of a notebook's shape", id="metadata is a list"),
        pytest.param([], "not of a notebook's shape", id="a list"),
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
