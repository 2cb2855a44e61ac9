"""Who did what is told in events that match their schemas and hold no text of anybody's cells."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from jupyter_events import EventLogger

from jupyter_mcp.rooms.live import revision
from jupyter_mcp.steering.activity import SCHEMAS, STEERING, TOOL_CALL
from tests.support.bridge import TOKEN
from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

SECRET = "a text that only the cell has"


def ended(at: Served) -> list[dict[str, Any]]:
    return [event for schema, event in at.events if schema == TOOL_CALL and event["phase"] == "ended"]


@pytest.mark.parametrize("era", ERAS)
def test_each_call_that_changes_or_runs_something_is_told_with_its_cell_and_revisions(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        async with at.agent(era=era) as client:
            for tool, more in (
                ("get_notebook", {}),
                ("get_cell", {"index": 0}),
                ("update_cell", {"cell_id": "id-0", "source": SECRET}),
                ("update_cell", {"index": 1, "source": "2", "cell_type": "markdown"}),
                ("insert_cell", {"index": 0, "source": SECRET}),
                ("execute_cell", {"cell_id": "id-0"}),
                ("delete_cell", {"index": 2}),
            ):
                await client.call_tool(tool, {"path": "n.ipynb", **more})
        told = ended(at)
        assert [event["tool"] for event in told] == [
            "update_cell",
            "update_cell",
            "insert_cell",
            "execute_cell",
            "delete_cell",
        ]
        assert {event["agent"]["name"] for event in told} == {"Claude Code"}
        assert {event["notebook"] for event in told} == {"n.ipynb"}
        cells = [event["cells"][0] for event in told]
        assert all(len(event["cells"]) == 1 for event in told)
        made = cells[2]["id"]
        assert [cell["id"] for cell in cells] == ["id-0", "id-1", made, "id-0", "id-1"]
        old, new = revision("code", "one"), revision("code", SECRET)
        two, text = revision("code", "two"), revision("markdown", "2")
        befores_and_afters = [(cell["revision_before"], cell["revision_after"]) for cell in cells]
        assert befores_and_afters == [(old, new), (two, text), (None, new), (new, new), (text, None)]
        assert [(cell["changed"], cell["ran"]) for cell in cells] == [
            (True, False),
            (True, False),
            (True, False),
            (False, True),
            (True, False),
        ]
        (began,) = [event for _, event in at.events if event.get("phase") == "began"]
        assert (began["running"], began["outcome"]) == ("id-0", None)
        assert (await at.state())["activity"] == told
        for text in (SECRET, TOKEN):
            assert text not in json.dumps(at.events)

    run(tmp_path, job)


def test_what_is_told_matches_the_schemas(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent() as client:
            await client.call_tool("create_notebook", {"path": "b.ipynb"})
            await client.call_tool("execute_cell", {"path": "n.ipynb", "index": 0})
        await at.steer("pause", notebook="n.ipynb")
        await at.steer("stop")
        await at.steer("resume")
        logger = EventLogger()
        for schema in SCHEMAS.glob("*.yaml"):
            logger.register_event_schema(schema)
        heard: list[str] = []

        async def listen(logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
            heard.append(schema_id)

        for known in (TOOL_CALL, STEERING):
            logger.add_listener(schema_id=known, listener=listen)
        for told, data in at.events:
            assert logger.emit(schema_id=told, data=data) is not None
        await logger.gather_listeners()
        assert sorted(set(heard)) == sorted({TOOL_CALL, STEERING})
        assert len(heard) == len(at.events) == 6

    run(tmp_path, job)


def test_a_listener_that_fails_fails_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def job(at: Served) -> None:
        def fail(schema: str, data: dict[str, Any]) -> None:
            raise RuntimeError("full disk")

        at.gate.activity._emit = fail
        async with at.agent() as client:
            await client.call_tool("create_notebook", {"path": "b.ipynb"})

    with caplog.at_level(logging.ERROR):
        run(tmp_path, job)
    assert "An event could not be emitted" in caplog.text


def test_what_agents_call_themselves_is_cut_to_one_short_line(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent("Evil\n\x1b[31m" + "x" * 1000) as client:
            await client.call_tool("create_notebook", {"path": "b.ipynb"})
        (agent,) = (await at.state())["agents"]
        assert len(agent["name"]) <= 80
        assert agent["name"].isprintable()

    run(tmp_path, job)
