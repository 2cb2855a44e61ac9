"""A chosen kernel stands in the notebook's metadata as JupyterLab writes it, beside what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Map

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.notebooks.kernel_choice import choose
from jupyter_mcp.rooms.live import Live
from tests.support.fake_live import notebook_of

SPECS: dict[str, Any] = {
    "python3": {"display_name": "Python 3", "language": "python"},
    "ir": {"display_name": "R", "language": "R"},
    "bare": {},
}


def within(job: Callable[[Live], None]) -> None:
    async def run() -> None:
        job(notebook_of("x"))

    asyncio.run(run())


def metadata(live: Live) -> dict[str, Any]:
    meta: Map[Any] = live.document.ydoc.get("meta", type=Map)
    found: dict[str, Any] = meta.to_py()["metadata"]
    return found


def test_the_choice_and_its_language_are_written_and_the_rest_stays() -> None:
    def job(live: Live) -> None:
        meta: Map[Any] = live.document.ydoc.get("meta", type=Map)
        meta["metadata"] = Map({"mine": 1, "language_info": {"name": "python", "version": "3.11"}})
        choose(live, "python3", SPECS)
        assert metadata(live) == {
            "mine": 1,
            "language_info": {"name": "python", "version": "3.11"},
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        }
        choose(live, "ir", SPECS)
        assert metadata(live)["language_info"] == {"name": "R"}
        assert metadata(live)["mine"] == 1

    within(job)


@pytest.mark.parametrize("before", [None, {}, {"mine": 1}, "odd"])
def test_a_notebook_with_plain_or_no_metadata_gets_it_too(before: Any) -> None:
    def job(live: Live) -> None:
        meta: Map[Any] = live.document.ydoc.get("meta", type=Map)
        if before is None:
            meta.pop("metadata", None)
        else:
            meta["metadata"] = before
        choose(live, "ir", SPECS)
        assert metadata(live)["kernelspec"]["name"] == "ir"
        assert metadata(live).get("mine") == (before["mine"] if isinstance(before, dict) and before else None)

    within(job)


def test_the_same_choice_again_is_no_edit() -> None:
    def job(live: Live) -> None:
        choose(live, "python3", SPECS)
        edits = live.edits
        choose(live, "python3", SPECS)
        assert live.edits == edits

    within(job)


def test_a_spec_that_says_nothing_of_itself_is_written_by_its_name() -> None:
    def job(live: Live) -> None:
        choose(live, "bare", SPECS)
        assert metadata(live)["kernelspec"] == {"name": "bare", "display_name": "bare", "language": ""}

    within(job)


def test_a_kernel_that_is_not_there_changes_nothing() -> None:
    def job(live: Live) -> None:
        edits = live.edits
        with pytest.raises(KernelUnavailableError, match=r"no kernel 'x'; it has bare, ir, python3\. Nothing was"):
            choose(live, "x", SPECS)
        assert live.edits == edits

    within(job)
