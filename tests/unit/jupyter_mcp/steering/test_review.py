"""With `ask`, agents run and delete only after a person's yes in the browser; everything else goes on as before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from jupyter_mcp.steering.review import QUESTION
from jupyter_mcp.steering.wanted import wanted
from tests.support.served import ERAS, Served, run

from .test_people_api import ask as request
from .test_people_api import only

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

PATH = "n.ipynb"
ASKED = {"execute_cell", "run_cells", "run_code", "delete_cell", "set_kernel", "restart_kernel", "shutdown_kernel"}
DELETE = {"path": PATH, "cell_id": "id-0"}


async def look(at: Served) -> dict[str, Any]:
    """Look at the state as a page of JupyterLab does."""
    found: dict[str, Any] = (await request(at, "GET", "state?page=1")).json()
    return found


async def question(at: Served) -> dict[str, Any]:
    """Return the question that waits, once there is one."""
    for _ in range(1000):
        if found := (await look(at))["questions"]:
            first: dict[str, Any] = found[0]
            return first
        await asyncio.sleep(0.02)
    raise AssertionError("nobody asks")


async def answer(at: Served, *, allow: bool) -> dict[str, Any]:
    """Answer the question that waits."""
    asked = await question(at)
    reply = await request(at, "POST", "answer", {"question": asked["question"], "allow": allow})
    assert reply.status_code == 200, reply.text
    return asked


@pytest.mark.parametrize("era", ERAS)
def test_without_a_page_what_runs_or_deletes_is_refused_and_nothing_else(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        async with at.agent(era=era) as client:
            await at.steer("ask", notebook=PATH)
            said = {}
            for tool in await client.list_tools():
                properties = tool.input_schema["properties"]
                given: dict[str, Any] = dict.fromkeys(tool.input_schema.get("required", ()), PATH)
                given |= {name: PATH for name in properties if name == "path"}
                given |= {name: 0.01 for name in ("timeout", "wait") if name in properties}
                try:
                    await client.call_tool(tool.name, given)
                except ToolError as error:
                    if "has set all agents to ask first" in str(error):
                        said[tool.name] = str(error)
            assert set(said) == ASKED
            for text in said.values():
                assert "no page of JupyterLab is open" in text
                assert "nothing was done" in text
                assert "then make the same call again" in text
            at.write("other.ipynb", "one")
            await client.call_tool("delete_cell", {"path": "other.ipynb", "index": 0})

    run(tmp_path, job)


@pytest.mark.parametrize(
    ("edits", "what"),
    [
        ([{"op": "delete", "cell_id": "a"}], "delete a cell"),
        ([{"op": "delete", "cell_ids": ["a", "b"]}, {"op": "insert", "source": ""}], "delete 2 cells"),
        ('[{"op": "merge", "cell_ids": ["a", "b"]}]', "merge 2 cells"),
        ([{"op": "clear_outputs"}], "clear the outputs of a cell"),
        ([{"op": "clear", "cell_id": "a"}], "clear the outputs of a cell"),  # another name of it
        ([{"op": "replace", "cell_id": "a", "source": ""}, {"op": "move", "cell_id": "a"}], None),
        ("no JSON", None),
        ([1, {"op": []}], None),
        (None, None),
    ],
)
def test_edits_ask_if_they_delete(edits: Any, what: str | None) -> None:
    found = wanted("edit_notebook", {"path": PATH, "edits": edits}, reads=False, destroys=True)
    assert (found and found.what) == what


def test_a_tool_that_is_not_known_here_asks_if_it_destroys() -> None:
    assert wanted("burn", {}, reads=False, destroys=True) is not None
    assert wanted("write", {}, reads=False, destroys=False) is None
    assert wanted("look", {}, reads=True, destroys=True) is None


@pytest.mark.parametrize("era", ERAS)
def test_a_persons_yes_lets_the_call_go_on_and_a_no_ends_it(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one", "two")
        async with at.agent(era=era) as client:
            await at.steer("ask", notebook=PATH)
            await look(at)
            for allow in (False, True):
                told: list[str] = []

                async def progress(_: float, __: float | None, message: str | None, told: list[str] = told) -> None:
                    told.append(message or "")

                call = asyncio.create_task(client.call_tool("delete_cell", DELETE, progress_handler=progress))
                asked = await answer(at, allow=allow)
                assert (asked["what"], asked["cells"]) == ("delete a cell", ["id-0"])
                if allow:
                    await call
                else:
                    with pytest.raises(ToolError, match=r"said no: .* delete a cell.* Nothing was done"):
                        await call
            live = await at.workshop.rooms.join(PATH)
            assert [cell["id"] for cell in live.document.ycells] == ["id-1"]
            phases = [(data["phase"], data["allowed"]) for schema, data in at.events if schema == QUESTION]
            assert phases == [("asked", None), ("answered", False), ("asked", None), ("answered", True)]
            assert (await look(at))["questions"] == []

    run(tmp_path, job)


def test_an_answer_that_comes_late_is_for_the_same_call_again_and_only_once(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one", "two")
        async with at.agent() as client:
            await at.steer("ask", notebook=PATH)
            await look(at)
            at.gate.review.waits_for = 0.2
            with pytest.raises(ToolError, match=r"nobody answered within 0.2 s.*make the same call again"):
                await client.call_tool("delete_cell", DELETE)
            await answer(at, allow=True)
            with pytest.raises(ToolError, match="nobody answered"):
                await client.call_tool("delete_cell", {"path": PATH, "cell_id": "id-1"})
            await client.call_tool("delete_cell", DELETE)
            await client.call_tool("restore_cell", DELETE)
            with pytest.raises(ToolError, match="nobody answered"):
                await client.call_tool("delete_cell", DELETE)

    run(tmp_path, job)


def test_only_what_the_person_saw_is_run(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        async with at.agent() as client:
            await at.steer("ask", notebook=PATH)
            await look(at)
            at.gate.review.waits_for = 0.2
            with pytest.raises(ToolError, match="nobody answered"):
                await client.call_tool("run_cells", {"path": PATH})
            await answer(at, allow=True)
            await client.call_tool("update_cell", {"path": PATH, "index": 0, "source": "something else"})
            reply = await client.call_tool("run_cells", {"path": PATH})
            assert "is not as it was when a person allowed to run it" in str(reply.structured_content)

    run(tmp_path, job)


def test_a_question_about_one_cell_shows_its_code_and_the_yes_is_to_that(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one", "\n".join(f"line {number}" for number in range(50)))
        async with at.agent() as client:
            await at.steer("ask", notebook=PATH)
            await look(at)
            calls: tuple[tuple[str, dict[str, Any], str], ...] = (
                ("execute_cell", {"index": 0}, "one"),
                ("execute_cell", {"cell_id": "id-0"}, "one"),
                ("run_cells", {"cells": ["id-0"]}, "one"),
                ("delete_cell", {"index": -2}, "one"),
                ("edit_notebook", {"edits": [{"op": "delete", "cell_id": "id-0"}]}, "one"),
                ("run_cells", {"cells": ["id-0", "id-1"]}, ""),
                ("run_cells", {}, ""),
            )
            for tool, given, shown in calls:
                call = asyncio.create_task(client.call_tool(tool, {"path": PATH, **given}))
                asked = await answer(at, allow=False)
                assert (tool, asked["detail"]) == (tool, shown)
                with pytest.raises(ToolError, match="said no"):
                    await call
            call = asyncio.create_task(client.call_tool("execute_cell", {"path": PATH, "index": 1}))
            asked = await question(at)
            assert asked["detail"].startswith("line 0\n")
            assert asked["detail"].endswith("line 19\n[the rest is left out; it has 50 lines]")
            await answer(at, allow=True)
            await call
            call = asyncio.create_task(client.call_tool("execute_cell", {"path": PATH, "index": 0}))
            await question(at)
            live = await at.workshop.rooms.join(PATH)
            live.document.ycells[0]["source"].insert(0, "another ")
            await answer(at, allow=True)
            with pytest.raises(ToolError, match="is not as it was when a person allowed to run it"):
                await call

    run(tmp_path, job)


def test_a_no_says_why(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        async with at.agent() as client:
            await at.steer("ask", notebook=PATH)
            await look(at)
            call = asyncio.create_task(client.call_tool("delete_cell", DELETE))
            body = {"question": (await question(at))["question"], "allow": False, "reason": "I need it"}
            assert (await request(at, "POST", "answer", body)).status_code == 200
            with pytest.raises(
                ToolError, match=r"said no: 'I need it'\. The agent may not delete a cell now\. Nothing"
            ):
                await call

    run(tmp_path, job)


def test_what_was_begun_before_a_person_wants_to_be_asked_goes_no_further(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        live = await at.workshop.rooms.join(PATH)
        async with at.gate.serving(agent_of(at), "run_cells", {"path": PATH}, reads=False) as call:
            call.begins(live, "id-0")
            await at.steer("ask")
            with pytest.raises(ToolError, match="before they run anything; nothing more was run"):
                call.begins(live, "id-0")

    run(tmp_path, job)


def agent_of(at: Served) -> Any:
    from jupyter_mcp.steering.agents import Agent  # noqa: PLC0415

    assert at.gate.agents.here() == []
    return Agent("a", "Claude Code", "Claude Code", "kind")


def test_a_default_of_asking_holds_until_a_person_lets_agents_go(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("a/n.ipynb", "one")
        at.write("b.ipynb", "one")
        async with at.agent() as client:
            for path in ("a/n.ipynb", "b.ipynb"):
                with pytest.raises(ToolError, match="This server's configuration has set all agents to ask first"):
                    await client.call_tool("delete_cell", {"path": path, "index": 0})
            await at.steer("resume", notebook="a/n.ipynb")
            await client.call_tool("delete_cell", {"path": "a/n.ipynb", "index": 0})
            with pytest.raises(ToolError, match="ask first"):
                await client.call_tool("delete_cell", {"path": "b.ipynb", "index": 0})
            with pytest.raises(ToolError, match="ask first"):  # a folder is more than one notebook of it
                at.gate._may_run(await begun(at, "a"), None, None)  # type: ignore[arg-type]
            await at.steer("pause", notebook="a/n.ipynb")
            with pytest.raises(ToolError, match="has paused"):
                await client.call_tool("get_notebook", {"path": "a/n.ipynb"})

    run(tmp_path, job, review="ask")


async def begun(at: Served, path: str) -> Any:
    from jupyter_mcp.steering.agents import Agent  # noqa: PLC0415

    async with at.gate.serving(Agent("a", "x", "x", "x"), "run_code", {"path": path}, reads=False) as call:
        return call


def test_asking_holds_after_a_restart(tmp_path: Path) -> None:
    async def before(at: Served) -> None:
        at.write(PATH, "one")
        await at.steer("ask", notebook=PATH)

    async def after(at: Served) -> None:
        assert [rule["mode"] for rule in (await at.state())["rules"]] == ["ask"]
        async with at.agent() as client:
            with pytest.raises(ToolError, match="has set all agents to ask first"):
                await client.call_tool("delete_cell", {"path": PATH, "index": 0})

    run(tmp_path, before)
    run(tmp_path, after)


def test_who_may_not_run_does_not_allow_it_and_an_odd_answer_is_told(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        at.gate.steering.set("ask", "Ada")
        await look(at)
        rule = at.gate.steering.holding(agent_of(at), [PATH])
        assert rule is not None
        what = wanted("run_code", {"code": "1"}, reads=False, destroys=True)
        assert what is not None
        call = await begun(at, PATH)
        call.allowed = None

        asking = asyncio.create_task(at.gate.review.ask(call, rule, what))
        asked = await question(at)
        assert asked["detail"] == "1"
        for body in (None, {}, {"question": 1}, {"question": asked["question"], "allow": "yes"}):
            assert (await request(at, "POST", "answer", body)).status_code == 400
        assert (await request(at, "POST", "answer", {"question": 99, "allow": True})).status_code == 404
        reply = await request(at, "POST", "answer", {"question": asked["question"], "allow": True})
        assert (reply.status_code, reply.json()["message"]) == (403, "You may not execute kernels on this server.")
        asking.cancel()

    run(tmp_path, job, settings=only(("read", "contents"), ("write", "contents")))
