"""With `propose`, a change of a notebook is made after a person has seen and accepted it, and not otherwise."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from jupyter_mcp.rooms.snapshot import read
from jupyter_mcp.steering.review import QUESTION, Answer
from tests.support.fake_kernel import FakeKernel
from tests.support.served import ERAS, Served, run

from .test_people_api import ask as request
from .test_people_api import only
from .test_review import ASKED, answer, look, question

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

PATH = "n.ipynb"
CHANGES: dict[str, dict[str, Any]] = {
    "update_cell": {"index": 0, "source": "x"},
    "insert_cell": {"index": 0, "source": "x"},
    "delete_cell": {"index": 0},
    "edit_notebook": {"edits": [{"op": "move", "cell_id": "id-0"}]},
    "undo_edits": {},
    "restore_cell": {"cell_id": "id-2"},
}
"""What changes a notebook, with arguments for it."""
FREE = {"create_notebook", "open_notebook_session", "close_notebook_session", "stop_run", "interrupt_kernel"}
"""What neither reads only, nor changes a notebook that is there, nor runs, nor deletes."""
OPS: list[list[dict[str, Any]]] = [
    [{"op": "insert", "source": "x"}],
    [{"op": "replace", "cell_id": "id-0", "source": "x"}],
    [{"op": "str_replace", "cell_id": "id-0", "old": "o", "new": "x"}],
    [{"op": "move", "cell_id": "id-0"}],
    [{"op": "split", "cell_id": "id-1", "line": 2}],
    [{"op": "merge", "cell_ids": ["id-0", "id-1"]}],
    [{"op": "set_type", "cell_id": "id-0", "cell_type": "raw"}],
    [{"op": "set_metadata", "cell_id": "id-0", "metadata": {"tags": ["t"]}}],
    [{"op": "set_metadata", "metadata": {"title": "t"}}],
    [{"op": "delete", "cell_id": "id-0"}],
]


async def content(at: Served) -> str:
    """Return all that the notebook holds, but not whether its outputs are trusted, which a save decides."""
    live = await at.workshop.rooms.join(PATH)
    return json.dumps(read(live.document), sort_keys=True).replace('"trusted": true', '"trusted": false')


async def sources(at: Served) -> list[str]:
    """Return the cells' sources."""
    live = await at.workshop.rooms.join(PATH)
    return [str(cell["source"]) for cell in live.document.ycells]


async def prepared(at: Served, client: Any) -> None:
    """Make a notebook in which the agent has changed and deleted something, and have it propose."""
    at.write(PATH, "one", "two\nthree", "four")
    await client.call_tool("delete_cell", {"path": PATH, "cell_id": "id-2"})
    await at.steer("propose", notebook=PATH)


@pytest.mark.parametrize("era", ERAS)
def test_without_a_page_no_tool_changes_or_runs_anything(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as client:
            await prepared(at, client)
            before = await content(at)
            tools = {tool.name: tool for tool in await client.list_tools()}
            reading = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
            assert set(tools) == reading | set(CHANGES) | ASKED | FREE, "a new tool: say here what it does"
            said = {}
            for name, tool in tools.items():
                known = tool.input_schema["properties"]
                given: dict[str, Any] = dict.fromkeys(tool.input_schema.get("required", ()), "new.ipynb")
                given |= {key: PATH for key in known if key == "path" and name != "create_notebook"}
                given |= {key: 0.01 for key in ("timeout", "wait") if key in known}
                try:
                    await client.call_tool(name, given | CHANGES.get(name, {}))
                except ToolError as error:
                    if "has set all agents to propose first in 'n.ipynb'" in str(error):
                        said[name] = str(error)
            assert set(said) == set(CHANGES) | ASKED
            for text in said.values():
                assert "no page of JupyterLab is open" in text
                assert "nothing was done" in text
            assert await content(at) == before

    run(tmp_path, job)


@pytest.mark.parametrize("edits", OPS, ids=lambda edits: edits[0]["op"])
def test_each_edit_is_shown_and_made_after_a_yes(tmp_path: Path, edits: list[dict[str, Any]]) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            before = await content(at)
            await look(at)
            call = asyncio.create_task(client.call_tool("edit_notebook", {"path": PATH, "edits": edits}))
            asked = await question(at)
            assert asked["preview"]["cells"] or asked["preview"]["metadata"]
            assert await content(at) == before
            await answer(at, allow=True)
            assert (await call).structured_content["cell_count"]
            assert await content(at) != before

    run(tmp_path, job)


@pytest.mark.parametrize("era", ERAS)
def test_a_change_is_made_after_a_yes_and_a_no_carries_its_reason(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        async with at.agent(era=era) as client:
            await prepared(at, client)
            await look(at)
            given = {"path": PATH, "cell_id": "id-0", "source": "one\nmore"}
            call = asyncio.create_task(client.call_tool("update_cell", given))
            asked = await question(at)
            (cell,) = asked["preview"]["cells"]
            assert (asked["what"], asked["cells"], asked["waiting"]) == ("change a cell", ["id-0"], True)
            assert (cell["source_before"], cell["source_after"], cell["diff"]) == ("one", "one\nmore", " one\n+more")
            body = {"question": asked["question"], "allow": False, "reason": " keep it\n short "}
            assert (await request(at, "POST", "answer", body)).status_code == 200
            with pytest.raises(ToolError, match=r"said no: 'keep it short'\. The agent may not change a cell now"):
                await call
            assert (await sources(at))[0] == "one"
            call = asyncio.create_task(client.call_tool("update_cell", given))
            await answer(at, allow=True)
            reply = (await call).structured_content
            assert (reply["result"], reply["id"], "run" in reply) == ("Cell 0 updated", "id-0", False)
            assert (await sources(at))[0] == "one\nmore"
            told = [data for schema, data in at.events if schema == QUESTION]
            assert [(one["phase"], one["allowed"], one["proposes"]) for one in told] == [
                ("asked", None, True),
                ("answered", False, True),
                ("asked", None, True),
                ("answered", True, True),
            ]
            assert "more" not in str(told), "source text is in an event"
            assert "keep it" not in str(told), "what a person wrote is in an event"

    run(tmp_path, job)


def test_a_change_that_can_not_be_made_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            for tool, given, told in (
                ("delete_cell", {"cell_id": "nobody"}, "No cell with id"),
                ("update_cell", {"index": 0, "source": "x", "expected": "0" * 16}, "changed since you read it"),
                ("edit_notebook", {"edits": [{"op": "split", "cell_id": "id-0", "line": 9}]}, "Can't split"),
                ("undo_edits", {"change": 10_000}, "No change 10000"),
            ):
                with pytest.raises(ToolError, match=told):
                    await client.call_tool(tool, {"path": PATH, **given})
            await client.call_tool("update_cell", {"path": PATH, "index": 0, "source": "one"})  # as it is
            assert [one for one in at.events if one[0] == QUESTION] == []

    run(tmp_path, job)


def test_what_changed_since_it_was_shown_is_shown_again_and_not_made(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            given = {"path": PATH, "edits": [{"op": "str_replace", "cell_id": "id-0", "old": "one", "new": "1"}]}
            call = asyncio.create_task(client.call_tool("edit_notebook", given))
            first = await question(at)
            live = await at.workshop.rooms.join(PATH)
            live.document.ycells[0]["source"].insert(len((await sources(at))[0]), " by a person")
            await answer(at, allow=True)
            second = await question(at)
            assert second["question"] != first["question"]
            assert second["again"]
            assert second["preview"]["cells"][0]["source_after"] == "1 by a person"
            assert (await sources(at))[0] == "one by a person"
            reply = await request(at, "POST", "answer", {"question": first["question"], "allow": True})
            assert reply.status_code == 404
            await answer(at, allow=True)
            await call
            assert (await sources(at))[0] == "1 by a person"

    run(tmp_path, job)


def test_an_answer_that_comes_late_is_for_the_same_call_again_if_the_cell_is_as_it_was(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            at.gate.review.waits_for = 0.2
            given = {"path": PATH, "index": 0, "source": "late"}
            for changed in (False, True):
                with pytest.raises(ToolError, match=r"nobody answered within 0\.2 s.*accept it.*it finds the answer"):
                    await client.call_tool("update_cell", given)
                asked = await answer(at, allow=True)
                assert (await look(at))["questions"] == []
                assert (await sources(at))[0] != "late"
                live = await at.workshop.rooms.join(PATH)
                if changed:
                    live.document.ycells[0]["source"].insert(len((await sources(at))[0]), " by a person")
                    with pytest.raises(ToolError, match="nobody answered"):
                        await client.call_tool("update_cell", given)
                    again = await question(at)
                    assert again["again"]
                    assert not again["waiting"]
                    assert again["question"] != asked["question"]
                else:
                    await client.call_tool("update_cell", given)
                    assert (await sources(at))[0] == "late"
                    live.document.ycells[0]["source"].insert(4, "\nmore")
            assert (await sources(at))[0] == "late\nmore by a person"

    run(tmp_path, job)


def test_one_agent_can_not_fill_peoples_pages_with_proposals(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            at.gate.review.waits_for = 0.01
            for number in range(17):
                told = "nobody answered" if number < 16 else "16 changes wait for an answer already"
                with pytest.raises(ToolError, match=told):
                    await client.call_tool("insert_cell", {"path": PATH, "index": 0, "source": str(number)})
            with pytest.raises(ToolError, match="nobody answered"):  # the first again, which is there
                await client.call_tool("insert_cell", {"path": PATH, "index": 0, "source": "0"})
            assert len((await look(at))["questions"]) == 16

    run(tmp_path, job)


@pytest.mark.parametrize("tool", ["insert_cell", "edit_notebook", "update_cell", "undo_edits"])
def test_accept_and_run_also_runs_the_code_and_the_reply_tells_of_it(tmp_path: Path, tool: str) -> None:
    async def job(at: Served) -> None:
        ran: list[str] = []

        async def script(kernel: FakeKernel) -> None:
            ran.append(kernel.code)
            kernel.status("busy")
            kernel.publish("stream", {"name": "stdout", "text": f"ran {kernel.code}"})
            kernel.done()

        at.seat.fake.script = script
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            edits = [
                {"op": "insert", "before": "id-0", "source": "2"},
                {"op": "insert", "source": "# text", "cell_type": "markdown"},
                {"op": "set_metadata", "cell_id": "id-1", "metadata": {"tags": ["t"]}},
                {"op": "replace", "cell_id": "id-0", "source": "1"},
            ]
            wanted = {"insert_cell": ["x"], "edit_notebook": ["2", "1"], "update_cell": ["x"], "undo_edits": ["four"]}
            given = {"path": PATH, **(CHANGES[tool] if tool != "edit_notebook" else {"edits": edits})}
            call = asyncio.create_task(client.call_tool(tool, given))
            asked = await question(at)
            assert asked["preview"]["runnable"]
            body = {"question": asked["question"], "allow": True, "run": True}
            assert (await request(at, "POST", "answer", body)).status_code == 200
            reply = await call
            told = reply.structured_content["run"]
            assert told["state"] == "done"
            assert [cell["outputs"] for cell in told["cells"]] == [f"ran {code}" for code in wanted[tool]]
            assert told["run"] in str(reply.content)
            assert ran == wanted[tool]
            at.gate.review.waits_for = 0.2
            with pytest.raises(ToolError, match="nobody answered"):  # the yes was to that run
                await client.call_tool("execute_cell", {"path": PATH, "index": 0})

    run(tmp_path, job)


def test_who_accepts_may_have_the_caret_in_the_cell_and_nobody_is_asked_about_a_cell_that_a_person_types_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            typing = [None, "Ada", "Ada"]  # a caret is put there after the first look
            monkeypatch.setattr("jupyter_mcp.rooms.people.Carets.at", lambda *_: typing.pop(0) if typing else "Ada")
            call = asyncio.create_task(client.call_tool("update_cell", {"path": PATH, "index": 0, "source": "x"}))
            await answer(at, allow=True)
            await call
            assert (await sources(at))[0] == "x"
            with pytest.raises(ToolError, match="Ada is typing in this cell"):
                await client.call_tool("update_cell", {"path": PATH, "index": 0, "source": "y"})
            assert (await look(at))["questions"] == []

    run(tmp_path, job)


def test_what_runs_is_asked_for_as_with_ask_and_choosing_a_kernel_is_asked_once(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            call = asyncio.create_task(client.call_tool("execute_cell", {"path": PATH, "index": 1}))
            asked = await answer(at, allow=True)
            assert (asked["preview"], asked["detail"]) == (None, "two\nthree")
            await call
            call = asyncio.create_task(client.call_tool("set_kernel", {"path": PATH, "name": "nothing"}))
            asked = await answer(at, allow=True)
            assert asked["what"].startswith("choose another kernel")
            with pytest.raises(ToolError, match="no kernel 'nothing'"):
                await call

    run(tmp_path, job)


def test_a_question_goes_when_a_person_decides_otherwise_and_the_call_goes_on_or_ends(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            given = {"path": PATH, "index": 0, "source": "x"}
            call = asyncio.create_task(client.call_tool("update_cell", given))
            await question(at)
            await at.steer("read-only", notebook=PATH)
            with pytest.raises(ToolError, match="has set to read-only"):
                await call
            assert (await look(at))["questions"] == []
            await at.steer("propose", notebook=PATH)
            call = asyncio.create_task(client.call_tool("update_cell", given))
            await question(at)
            await at.steer("resume", notebook=PATH)
            await call
            assert (await sources(at))[0] == "x"
            phases = [data["phase"] for schema, data in at.events if schema == QUESTION]
            assert phases == ["asked", "withdrawn"] * 2

    run(tmp_path, job)


def test_a_default_of_proposing_holds_until_a_person_lets_agents_go(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        async with at.agent() as client:
            given = {"path": PATH, "index": 0, "source": "x"}
            with pytest.raises(ToolError, match="This server's configuration has set all agents to propose first"):
                await client.call_tool("update_cell", given)
            await at.steer("ask", notebook=PATH)  # a person's rule beside it: the stricter counts
            with pytest.raises(ToolError, match="propose first"):
                await client.call_tool("update_cell", given)
            await at.steer("resume", notebook=PATH)
            await client.call_tool("update_cell", given)

    run(tmp_path, job, review="propose")


def test_proposing_holds_for_one_agent_and_after_a_restart(tmp_path: Path) -> None:
    async def before(at: Served) -> None:
        at.write(PATH, "one")
        async with at.agent("Robot") as robot:
            await robot.call_tool("list_notebooks")
            (agent,) = (await at.state())["agents"]
            await at.steer("propose", agent=agent["kind"])

    async def after(at: Served) -> None:
        given = {"path": PATH, "index": 0, "source": "x"}
        async with at.agent("Robot") as robot, at.agent("Claude Code") as client:
            with pytest.raises(ToolError, match="has set agents called 'Robot' to propose first"):
                await robot.call_tool("update_cell", given)
            await client.call_tool("update_cell", given)

    run(tmp_path, before)
    run(tmp_path, after)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"question": True, "allow": True}, 400),  # Python takes it for 1
        ({"question": 1.0, "allow": True}, 400),
        ({"question": "1", "allow": True}, 400),
        ({"question": 1, "allow": 1}, 400),
        ({"question": 1, "allow": False, "run": True}, 400),
        ({"question": 1, "allow": True, "run": 1}, 400),
        ({"question": 1, "allow": True, "reason": "why"}, 400),
        ({"question": 1, "allow": False, "reason": None}, 400),
        ({"question": 1, "allow": False, "reason": "x" * 501}, 400),
        ({"question": 1, "allow": True, "more": 1}, 400),
        ([1, True], 400),
        ({"question": 2, "allow": True}, 404),
        ({"question": -1, "allow": True}, 404),
    ],
)
def test_an_odd_answer_is_told_and_answers_nothing(tmp_path: Path, body: Any, status: int) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            call = asyncio.create_task(client.call_tool("delete_cell", {"path": PATH, "index": 0}))
            asked = await question(at)
            assert asked["question"] == 1
            assert (await request(at, "POST", "answer", body)).status_code == status
            reply = await request(at, "POST", "answer", {"question": 1, "allow": True, "run": True})
            assert reply.status_code == 400, "there is no code to run in a deletion"
            await answer(at, allow=True)
            await call

    run(tmp_path, job)


def test_accepting_needs_the_right_to_write_and_running_the_right_to_run_of_both(tmp_path: Path) -> None:
    async def writer(at: Served) -> None:
        async with at.agent() as client:
            await prepared(at, client)
            await look(at)
            call = asyncio.create_task(client.call_tool("insert_cell", {"path": PATH, "index": 0, "source": "x"}))
            asked = await question(at)
            body = {"question": asked["question"], "allow": True, "run": True}
            reply = await request(at, "POST", "answer", body)
            assert (reply.status_code, reply.json()["message"]) == (403, "You may not execute kernels on this server.")
            (open_question,) = at.gate.review.open()
            at.gate.review.answer(open_question, Answer(allowed=True, by="Ada", run=True))  # who may run
            told = (await call).structured_content["run"]
            assert told["state"] == "not run"
            assert "not allow" in told["why"].lower() or "may not" in told["why"].lower()
            assert (await sources(at))[0] == "x"

    run(tmp_path, writer, settings=only(("read", "contents"), ("write", "contents")))
