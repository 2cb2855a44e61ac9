"""The process that searches: its parts, and the whole over its standard streams."""

from __future__ import annotations

import io
import json
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp.notebooks import search_worker as worker

WANTED = {"pattern": "needle", "ignore_case": False, "regex": False, "within": "sources", "limit": 10}


def searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entries: list[dict[str, Any]], **wanted: Any
) -> list[dict[str, Any]]:
    """Run the whole on these entries; its limits are not set on the process of the tests."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    lines = [json.dumps(one) for one in ({**WANTED, **wanted}, *entries)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
    worker.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def notebook(*sources: str, **more: Any) -> dict[str, Any]:
    return {"cells": [{"id": f"c{at}", "cell_type": "code", "source": one} for at, one in enumerate(sources)], **more}


def test_it_tells_each_finding_and_each_notebook_that_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "n.ipynb"
    file.write_text(json.dumps(notebook("a\n  needle", "b")))
    told = searched(
        monkeypatch,
        capsys,
        [{"path": "n", "file": str(file)}, {"path": "live", "content": notebook("needle\nneedle")}],
        limit=2,
    )
    assert told == [
        {"path": "n", "id": "c0", "index": 0, "line": 2, "text": "needle"},
        {"done": "n", "count": 1},
        {"path": "live", "id": "c0", "index": 0, "line": 1, "text": "needle"},
        {"done": "live", "count": 2},  # counted, though no more were wanted
    ]


def test_what_can_not_be_read_is_skipped_and_the_rest_is_searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    torn, large = tmp_path / "torn", tmp_path / "large"
    torn.write_text('{"cells": [')
    large.write_text("{}")
    monkeypatch.setattr(worker, "LARGEST", 5)
    large.write_text(" " * 6)
    entries = [
        {"path": "torn", "file": str(torn)},
        {"path": "large", "file": str(large)},
        {"path": "none", "file": str(tmp_path / "none")},
        {"path": "odd", "content": {"cells": [{"source": "needle", "outputs": 3}]}},
        {"path": "unreadable", "content": None},
        {"path": "good", "content": notebook("needle")},
    ]
    told = searched(monkeypatch, capsys, entries, within="all")
    assert [one["skipped"] for one in told if "skipped" in one] == ["torn", "large", "none", "odd", "unreadable"]
    assert told[-1] == {"done": "good", "count": 1}


def test_a_pattern_that_is_none_is_told_and_nothing_is_searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (told,) = searched(monkeypatch, capsys, [{"path": "n", "content": notebook("x")}], pattern="(", regex=True)
    assert "unterminated" in told["bad"]


@pytest.mark.parametrize(
    ("wanted", "line", "place"),
    [
        ({}, "a needle", 2),
        ({}, "a NEEDLE", -1),
        ({"ignore_case": True}, "a NEEDLE", 2),
        ({"pattern": "n.*e$", "regex": True}, "a needle", 2),
        ({"pattern": "N.+E", "regex": True, "ignore_case": True}, "needle", 0),
        ({"pattern": "^e", "regex": True}, "needle", -1),
    ],
)
def test_a_line_is_looked_through_as_wanted(wanted: dict[str, Any], line: str, place: int) -> None:
    assert worker.finder({**WANTED, **wanted})(line) == place


def test_texts_and_cells_of_every_format_are_read() -> None:
    assert worker.text_of(["a", 1, "b"]) == "ab"
    assert worker.text_of(None) == ""
    assert worker.cells_of([]) == worker.cells_of({}) == worker.cells_of({"cells": 1}) == []
    old = {"worksheets": [{"cells": [{"input": "needle"}]}, {}, "odd"]}
    assert next(worker.findings(old, worker.finder(WANTED), "sources"))["index"] == 0
    assert worker.cells_of({"cells": ["odd", {}]}) == [{}, {}]


def test_outputs_are_searched_in_their_text_without_colours() -> None:
    outputs = [
        {"output_type": "stream", "text": ["x\n", "\x1b[31mneedle\x1b[0m"]},
        {"output_type": "execute_result", "data": {"text/plain": "needle", "image/png": "needle"}},
        {"output_type": "error", "evalue": "needle", "traceback": ["one", "two needle"]},
        {"output_type": "error", "evalue": "needle"},
        "odd",
    ]
    one = {"cells": [{"source": "needle", "outputs": outputs}]}
    found = list(worker.findings(one, worker.finder(WANTED), "outputs"))
    assert [(hit["output"], hit["line"], hit["text"]) for hit in found] == [
        (0, 2, "needle"),
        (1, 1, "needle"),
        (2, 2, "two needle"),
        (3, 1, "needle"),
    ]
    assert len(list(worker.findings(one, worker.finder(WANTED), "all"))) == 5


def test_ids_are_told_only_where_each_cell_has_its_own() -> None:
    twice = {"cells": [{"id": "a", "source": "needle"}, {"id": "a", "source": "needle"}]}
    assert [hit["id"] for hit in worker.findings(twice, worker.finder(WANTED), "sources")] == [None, None]


def test_of_a_long_line_what_is_around_the_place_is_shown() -> None:
    line = "x" * 500 + "needle" + "y" * 500
    shown = worker.shown(line, 500)
    assert "needle" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= worker.SHOWN + 2
    assert worker.shown("  short ", 2) == "short"
