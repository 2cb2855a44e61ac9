"""Nothing that either side wrote is dropped by a merge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.rooms.merge import UnmergeableError, fingerprint, merge, same

IDS = ("a", "b", "c", "d", "e")


def cell(cell_id: str, source: str) -> dict[str, Any]:
    return {"id": cell_id, "cell_type": "markdown", "source": source, "metadata": {}}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def versions(ids: tuple[str, ...], side: str) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the ids in some order, with sources that tell the side that wrote them."""
    texts = st.sampled_from(["base", f"{side} 1", f"{side} 2"])
    return st.lists(st.tuples(st.sampled_from(ids), texts), unique_by=lambda one: one[0]).map(
        lambda cells: notebook(*(cell(cell_id, text) for cell_id, text in cells))
    )


BASE = versions(IDS[:3], "base")
OURS = versions((*IDS, "ours"), "ours")
THEIRS = versions((*IDS, "theirs"), "theirs")


def texts(version: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["source"] for one in version["cells"]}


@given(BASE, OURS, THEIRS)
def test_every_change_of_either_side_is_in_the_result(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    merged = merge(base, ours, theirs).content
    found = [one["source"] for one in merged["cells"]]
    old = texts(base)
    for side in (ours, theirs):
        for cell_id, text in texts(side).items():
            if old.get(cell_id) != text:
                assert text in found
    ids = [one["id"] for one in merged["cells"]]
    assert len(ids) == len(set(ids))


@given(BASE, OURS)
def test_what_one_side_alone_changed_is_taken_whole(base: dict[str, Any], changed: dict[str, Any]) -> None:
    for ours, theirs in ((changed, base), (base, changed)):
        merged = merge(base, ours, theirs)
        assert merged.conflicts == ()
        assert merged.content["cells"] == changed["cells"]


@given(BASE, OURS)
def test_the_same_change_on_both_sides_is_one_change(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert merge(base, changed, changed).content["cells"] == changed["cells"]


def test_a_cell_that_both_changed_is_there_twice_and_named() -> None:
    merged = merge(notebook(cell("a", "old")), notebook(cell("a", "ours")), notebook(cell("a", "theirs")))
    assert [one["source"] for one in merged.content["cells"]] == ["ours", "theirs"]
    assert merged.conflicts == ("a",)


@given(BASE, OURS, THEIRS)
def test_a_file_that_is_merged_once_more_after_a_crash_brings_nothing_twice(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    once = merge(base, ours, theirs).content
    assert texts(merge(base, once, theirs).content) == texts(once)


def test_metadata_is_merged_key_by_key() -> None:
    base, ours, theirs = notebook(x=1, y=1, z=1), notebook(x=2, y=1), notebook(x=1, y=3, z=1, w=4)
    assert merge(base, ours, theirs).content["metadata"] == {"x": 2, "y": 3, "w": 4}


def test_outputs_alone_are_no_conflict() -> None:
    def run(output: str) -> dict[str, Any]:
        return notebook({**cell("a", "1"), "cell_type": "code", "outputs": [output], "execution_count": 1})

    merged = merge(run("old"), run("ours"), run("theirs"))
    assert merged.content["cells"][0]["outputs"] == ["ours"]
    assert merged.conflicts == ()


def test_cells_without_ids_or_with_one_twice_are_not_guessed_at() -> None:
    nameless = {"cell_type": "raw", "source": "", "metadata": {}}
    for bad in (notebook(nameless), notebook(cell("a", "1"), cell("a", "2"))):
        with pytest.raises(UnmergeableError):
            merge(notebook(), bad, notebook())


def test_trust_and_an_unnamed_kernel_are_no_difference() -> None:
    trusted = notebook({**cell("a", "1"), "metadata": {"trusted": True}}, kernelspec={"name": "", "display_name": ""})
    assert same(trusted, notebook(cell("a", "1")))
    assert fingerprint(trusted) == fingerprint(notebook(cell("a", "1")))
    assert not same(trusted, notebook(cell("a", "2")))


def test_metadata_that_is_null_is_kept_and_what_one_side_deleted_is_gone() -> None:
    base = notebook(cell("a", "1"), kept=None, gone=None)
    ours = notebook(cell("a", "1"), kept=None, gone=None, mine=None)
    theirs = notebook(cell("a", "1"), kept=None, theirs=None)
    assert merge(base, ours, theirs).content["metadata"] == {"kept": None, "mine": None, "theirs": None}
