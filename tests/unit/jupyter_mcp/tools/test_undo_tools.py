"""undo_edits and restore_cell over MCP: through the gate, safe before the reply, and of the caller's own edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from jupyter_server.auth import Authorizer

from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

WRITES: list[tuple[str, dict[str, Any]]] = [
    ("insert_cell", {"index": 0, "source": "new"}),
    ("update_cell", {"cell_id": "id-0", "source": "one\nmore"}),
    ("update_cell", {"cell_id": "id-0", "source": "one", "cell_type": "markdown"}),
    ("delete_cell", {"cell_id": "id-1"}),
    ("edit_notebook", {"edits": [{"op": "merge", "cell_ids": ["id-0", "id-1"]}]}),
    ("edit_notebook", {"edits": [{"op": "set_metadata", "metadata": {"title": "T"}}]}),
    ("edit_notebook", {"edits": [{"op": "clear_outputs"}, {"op": "move", "cell_id": "id-1", "before": "id-0"}]}),
]


async def shape(client: Any) -> Any:
    content = (await client.call_tool("get_notebook", {"path": "n.ipynb"})).structured_content
    return [(cell["id"], cell["cell_type"], cell["source"]) for cell in content["cells"]], content["metadata"]


@pytest.mark.parametrize("era", ERAS)
def test_each_write_of_an_agent_can_be_taken_back(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two", "three")
        async with at.agent(era=era) as client:
            for tool, arguments in WRITES:
                await client.call_tool("open_notebook_session", {"path": "n.ipynb"})
                before = await shape(client)
                await client.call_tool(tool, {"path": "n.ipynb", **arguments})
                assert await shape(client) != before
                reply = (await client.call_tool("undo_edits", {"path": "n.ipynb"})).structured_content
                assert await shape(client) == before, tool
                assert reply["kept"] == []
                assert (await at.state())["activity"][-2]["call"] == reply["undone"][0]

    run(tmp_path, job)


def test_the_last_edits_are_the_callers_and_outlive_the_room(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        async with at.agent("Codex") as other, at.agent("Claude Code") as client:
            update = {"path": "n.ipynb", "cell_id": "id-0"}
            await client.call_tool("update_cell", {**update, "source": "one\nmine"})
            await client.call_tool("delete_cell", {"path": "n.ipynb", "cell_id": "id-1"})
            await other.call_tool("update_cell", {**update, "source": "theirs\none\nmine"})
            assert "closed" in (await client.call_tool("close_notebook_session", {"path": "n.ipynb"})).content[0].text
            reply = await client.call_tool("undo_edits", {"path": "n.ipynb", "count": 5})
            assert len(reply.structured_content["undone"]) == 2
            assert (await shape(client))[0] == [("id-0", "code", "theirs\none"), ("id-1", "code", "two")]
            with pytest.raises(ToolError, match=r"No change of yours in 'n.ipynb' is left to take back"):
                await client.call_tool("undo_edits", {"path": "n.ipynb"})
            theirs = at.gate.activity.recent[2]["call"]
            with pytest.raises(ToolError, match="is not yours but of Codex"):
                await client.call_tool("undo_edits", {"path": "n.ipynb", "change": theirs})
            with pytest.raises(ToolError, match=r"No change 987654 of 'n.ipynb' is known"):
                await client.call_tool("undo_edits", {"path": "n.ipynb", "change": 987654})

    run(tmp_path, job)


def test_a_new_session_of_the_same_client_is_told_the_changes_of_the_old_one(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent(era="legacy") as client:
            await client.call_tool("update_cell", {"path": "n.ipynb", "index": 0, "source": "two"})
        async with at.agent(era="legacy") as client:
            number = at.gate.activity.recent[-1]["call"]
            with pytest.raises(ToolError, match=rf"give `change`: {number} \(update_cell\)"):
                await client.call_tool("undo_edits", {"path": "n.ipynb"})
            await client.call_tool("undo_edits", {"path": "n.ipynb", "change": number})
            assert (await shape(client))[0][0][2] == "one"
            with pytest.raises(ToolError, match="was taken back already, by Claude Code"):
                await client.call_tool("undo_edits", {"path": "n.ipynb", "change": number})

    run(tmp_path, job)


def test_a_deleted_cell_is_restored_with_its_outputs_at_its_place(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two", "three")
        async with at.agent("Codex") as other, at.agent() as client:
            live = await at.workshop.rooms.join("n.ipynb")
            live.document.ycells[1]["execution_count"] = 3.0
            await client.call_tool("delete_cell", {"path": "n.ipynb", "cell_id": "id-1"})
            with pytest.raises(ToolError, match=r"No cell 'nope' is known .* known are 'id-1'"):
                await other.call_tool("restore_cell", {"path": "n.ipynb", "cell_id": "nope"})
            reply = (await other.call_tool("restore_cell", {"path": "n.ipynb", "cell_id": "id-1"})).structured_content
            assert [(cell["id"], cell["index"]) for cell in reply["cells"]] == [("id-1", 1)]
            cell = (await client.call_tool("get_cell", {"path": "n.ipynb", "cell_id": "id-1"})).structured_content
            assert (cell["source"], cell["execution_count"]) == ("two", 3)
            assert cell["revision"] == reply["cells"][0]["revision"]
            assert live.journal.fault is None

    run(tmp_path, job)


def test_a_restored_cell_is_deleted_again_only_where_that_is_asked_for_by_number(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "a person's")
        async with at.agent() as client:
            there = (await shape(client))[0]
            await client.call_tool("update_cell", {"path": "n.ipynb", "cell_id": "id-0", "source": "mine"})
            await client.call_tool("delete_cell", {"path": "n.ipynb", "cell_id": "id-1"})
            restored = await client.call_tool("restore_cell", {"path": "n.ipynb", "cell_id": "id-1"})
            await client.call_tool("undo_edits", {"path": "n.ipynb"})
            assert (await shape(client))[0] == there
            await client.call_tool("undo_edits", {"path": "n.ipynb", "change": restored.structured_content["change"]})
            assert (await shape(client))[0] == there[:1]

    run(tmp_path, job)


def test_who_may_not_write_takes_nothing_back(tmp_path: Path) -> None:
    class Reader(Authorizer):
        writes = True

        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
            return action == "read" or self.writes

    authorizer = Reader()

    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent() as client:
            await client.call_tool("delete_cell", {"path": "n.ipynb", "index": 0})
            authorizer.writes = False
            for tool, more in (("undo_edits", {}), ("restore_cell", {"cell_id": "id-0"})):
                with pytest.raises(ToolError, match="write contents"):
                    await client.call_tool(tool, {"path": "n.ipynb", **more})
            assert (await shape(client))[0] == []

    run(tmp_path, job, settings={"authorizer": authorizer})
