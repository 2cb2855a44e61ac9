"""One gate for all tools: who is paused does nothing, who may only read changes nothing, and both are told why."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from jupyter_mcp.steering.activity import STEERING, TOOL_CALL
from jupyter_mcp.steering.agents import HERE_FOR, Agents
from tests.support.fake_kernel import FakeKernel
from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

HELD_BACK = r"has (paused|set to read-only) "


async def refusals(client: Any, path: str) -> dict[str, str]:
    """Call every tool that the server lists; return what those said that were held back."""
    said = {}
    for tool in await client.list_tools():
        needed: dict[str, Any] = dict.fromkeys(tool.input_schema.get("required", ()), path)
        given = needed | {name: path for name in tool.input_schema["properties"] if name == "path"}
        if "timeout" in tool.input_schema["properties"]:
            given["timeout"] = 0.01
        try:
            await client.call_tool(tool.name, given)
        except ToolError as error:
            if " has paused " in str(error) or " has set to read-only " in str(error):
                said[tool.name] = str(error)
    return said


async def readers(client: Any) -> set[str]:
    return {tool.name for tool in await client.list_tools() if tool.annotations.read_only_hint}


@pytest.mark.parametrize("era", ERAS)
def test_paused_agents_do_nothing_with_any_tool_and_read_only_ones_read(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent(era=era) as client:
            every, reading = {tool.name for tool in await client.list_tools()}, await readers(client)
            assert len(every) >= 13
            assert {"get_notebook", "watch_notebook"} < reading < every
            for one in (False, True):
                await client.call_tool("list_notebooks")
                kind = next(agent["kind"] for agent in (await at.state())["agents"])
                about = {"agent": kind} if one else {}
                await at.steer("pause", **about)
                said = await refusals(client, "n.ipynb")
                assert set(said) == every
                assert all("nothing was done. Ask them to resume agents" in text for text in said.values())
                with pytest.raises(Exception, match=HELD_BACK):
                    await client.read_resource("notebook:///n.ipynb")
                await at.steer("read-only", **about)
                assert set(await refusals(client, "n.ipynb")) == every - reading
                await client.read_resource("notebook:///n.ipynb")
                await at.steer("resume", **about)
                assert (await at.state())["rules"] == []
            await client.call_tool("insert_cell", {"path": "n.ipynb", "index": 0, "source": "x"})

    run(tmp_path, job)


@pytest.mark.parametrize("era", ERAS)
def test_a_paused_notebook_is_out_of_reach_by_every_name_and_others_are_not(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("a/n.ipynb", "one")
        at.write("other.ipynb", "two")
        (at.workshop.root / "link.ipynb").symlink_to(at.workshop.root / "a" / "n.ipynb")
        (at.workshop.root / "folder").symlink_to(at.workshop.root / "a")
        async with at.agent(era=era) as client:
            await at.steer("pause", notebook="a/n.ipynb")
            for name in ("a/n.ipynb", "./a//n.ipynb", "/a/n.ipynb", "a/./n.ipynb", "link.ipynb", "folder/n.ipynb"):
                for tool, more in (("get_notebook", {}), ("insert_cell", {"index": 0, "source": "x"})):
                    with pytest.raises(ToolError, match=r"has paused all agents in 'a/n.ipynb'"):
                        await client.call_tool(tool, {"path": name, **more})
            await client.call_tool("insert_cell", {"path": "other.ipynb", "index": 0, "source": "x"})
            await at.steer("read-only", notebook="a/n.ipynb")
            await client.call_tool("get_notebook", {"path": "link.ipynb"})
            with pytest.raises(ToolError, match="set to read-only"):
                await client.call_tool("delete_cell", {"path": "link.ipynb", "index": 0})

    run(tmp_path, job)


def test_a_renamed_notebook_stays_paused_and_a_new_one_of_its_old_name_is_not(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent() as client:
            await at.steer("pause", notebook="n.ipynb")
            (at.workshop.root / "n.ipynb").rename(at.workshop.root / "m.ipynb")
            at.workshop.settings["file_id_manager"].move("n.ipynb", "m.ipynb")
            at.write("n.ipynb", "new")
            with pytest.raises(ToolError, match=r"in 'm\.ipynb'"):
                await client.call_tool("get_notebook", {"path": "m.ipynb"})
            await client.call_tool("get_notebook", {"path": "n.ipynb"})
            await at.steer("resume", notebook="m.ipynb")
            await client.call_tool("get_notebook", {"path": "m.ipynb"})

    run(tmp_path, job)


def test_an_agent_that_comes_back_with_a_new_session_is_still_paused_and_another_is_not(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent("Claude Code", "legacy") as client:
            await client.call_tool("list_notebooks")
            (agent,) = (await at.state())["agents"]
            await at.steer("pause", agent=agent["kind"])
        for era in ERAS:
            async with at.agent("Claude Code", era) as client:
                with pytest.raises(ToolError, match="has paused agents called 'Claude Code'"):
                    await client.call_tool("list_notebooks")
            async with at.agent("Another", era) as client:
                await client.call_tool("list_notebooks")

    run(tmp_path, job)


def test_what_a_person_decided_holds_after_a_restart(tmp_path: Path) -> None:
    async def before(at: Served) -> None:
        at.write("n.ipynb", "one")
        async with at.agent() as client:
            await client.call_tool("list_notebooks")
        await at.steer("pause", notebook="n.ipynb")
        await at.steer("read-only", agent=(await at.state())["agents"][0]["kind"])

    async def after(at: Served) -> None:
        async with at.bridge.client(**{"mcp-session-id": "0" * 32}) as http:  # of before the restart
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
            body["params"] = {"name": "create_notebook", "arguments": {"path": "c.ipynb"}}
            headers = {"Accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
            assert "set to read-only agents called" in (await http.post(at.bridge.url, json=body, headers=headers)).text
        for era in ERAS:
            async with at.agent(era=era) as client:
                with pytest.raises(ToolError, match=r"has paused all agents in 'n\.ipynb'"):
                    await client.call_tool("get_notebook", {"path": "n.ipynb"})
                with pytest.raises(ToolError, match="set to read-only agents called 'Claude Code'"):
                    await client.call_tool("create_notebook", {"path": "b.ipynb"})

    run(tmp_path, before)
    run(tmp_path, after)


def test_a_file_of_rules_that_can_not_be_read_pauses_all_until_a_person_resumes(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "agents.json").write_text('{"rules": [{"mode": "run')

    async def job(at: Served) -> None:
        async with at.agent() as client:
            with pytest.raises(ToolError, match=r"can't read agents\.json, has paused all agents"):
                await client.call_tool("list_notebooks")
            assert "can't be read" in (await at.state())["warning"]
            assert (await at.steer("resume"))["warning"] is None
            await client.call_tool("list_notebooks")

    run(tmp_path, job)


def test_a_rule_that_can_not_be_stored_holds_all_the_same_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    async def job(at: Served) -> None:
        at.gate.steering.set("run", "test")
        assert "can't be written" in (await at.steer("pause"))["warning"]
        async with at.agent() as client:
            with pytest.raises(ToolError, match="has paused all agents"):
                await client.call_tool("list_notebooks")

    run(tmp_path, job)


def test_the_configuration_holds_back_and_no_request_lets_go(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("exams/a.ipynb", "one")
        at.write("n.ipynb", "one")
        async with at.agent("Robot") as robot, at.agent("Claude Code") as client:
            await at.steer("resume")
            with pytest.raises(ToolError, match=r"configuration has paused all agents in 'exams/\*'.*server's owner"):
                await client.call_tool("get_notebook", {"path": "exams/a.ipynb"})
            await client.call_tool("insert_cell", {"path": "n.ipynb", "index": 0, "source": "x"})
            with pytest.raises(ToolError, match="set to read-only agents called 'Robot'"):
                await robot.call_tool("insert_cell", {"path": "n.ipynb", "index": 0, "source": "x"})

    run(tmp_path, job, notebooks={"exams/*": "paused"}, agents={"Robot": "read-only"})


def test_stop_ends_what_runs_tells_the_agent_who_did_and_pauses_it(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        at.write("m.ipynb", "one")
        started, interrupted = asyncio.Event(), asyncio.Event()
        at.seat.manager.on_interrupt = interrupted.set

        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            started.set()
            await interrupted.wait()
            kernel.done()

        at.seat.fake.script = script
        async with at.agent("Runner") as client, at.agent("Waiter", "legacy") as waiter:
            calls = [
                asyncio.create_task(client.call_tool("execute_cell", {"path": "n.ipynb", "index": 0})),
                asyncio.create_task(waiter.call_tool("watch_notebook", {"path": "m.ipynb", "timeout": 60})),
            ]
            await started.wait()
            while not all(agent["calls"] for agent in (await at.state())["agents"]):  # noqa: ASYNC110 - a request
                await asyncio.sleep(0)
            (runner,) = [agent for agent in (await at.state())["agents"] if agent["name"] == "Runner"]
            assert runner["calls"][0] | {"seconds": 0} == {
                "tool": "execute_cell",
                "notebook": "n.ipynb",
                "running": "id-0",
                "code": False,
                "seconds": 0,
            }
            await at.steer("stop")
            for call in calls:
                with pytest.raises(ToolError, match="stopped this call and paused the agent"):
                    await call
            with pytest.raises(ToolError, match="has paused all agents"):
                await client.call_tool("get_notebook", {"path": "n.ipynb"})
            assert [event["stopped_calls"] for schema, event in at.events if schema == STEERING] == [2]
            ended = [event for schema, event in at.events if schema == TOOL_CALL and event["phase"] == "ended"]
            assert [(event["tool"], event["outcome"]) for event in ended] == [("execute_cell", "stopped")]

    run(tmp_path, job)


@pytest.mark.parametrize("tool", ["run_cells", "run_code"])
def test_stop_also_ends_what_goes_on_after_its_call_has_answered(tmp_path: Path, tool: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        started, interrupted = asyncio.Event(), asyncio.Event()
        at.seat.manager.on_interrupt = interrupted.set
        ran: list[str] = []

        async def script(kernel: FakeKernel) -> None:
            ran.append(kernel.code)
            kernel.status("busy")
            started.set()
            await interrupted.wait()
            kernel.done()

        at.seat.fake.script = script
        async with at.agent() as client:
            given = {"code": "one"} if tool == "run_code" else {}
            reply = await client.call_tool(tool, {"path": "n.ipynb", "wait": 0, **given})
            assert reply.structured_content is not None
            await started.wait()
            await at.steer("stop", notebook="other.ipynb")
            assert not interrupted.is_set()
            await at.steer("stop")
            await asyncio.wait_for(interrupted.wait(), 20)
            await at.steer("resume")
            run_id = reply.structured_content["run"]
            ended = (await client.call_tool("get_run", {"run_id": run_id})).structured_content
            assert ended is not None
            assert "was stopped by" in str(ended)
            assert ran == ["one"]
            assert [event["stopped_calls"] for schema, event in at.events if schema == STEERING][:2] == [0, 1]

    run(tmp_path, job)


@pytest.mark.parametrize("tool", ["run_cells", "run_code"])
def test_what_goes_on_after_its_call_has_answered_is_told_until_it_ends(tmp_path: Path, tool: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        started, go_on = asyncio.Event(), asyncio.Event()

        async def script(kernel: FakeKernel) -> None:
            kernel.status("busy")
            started.set()
            await go_on.wait()
            kernel.done()

        at.seat.fake.script = script
        now = 0.0
        at.gate.agents = Agents(lambda: now)
        async with at.agent() as client:
            given = {"code": "one"} if tool == "run_code" else {}
            reply = await client.call_tool(tool, {"path": "n.ipynb", "wait": 0, **given})
            assert reply.structured_content is not None
            await started.wait()
            now = 10 * HERE_FOR  # it has not called for long
            (agent,) = (await at.state())["agents"]
            assert agent["name"] == "Claude Code"
            assert [one | {"seconds": 0} for one in agent["calls"]] == [
                {
                    "tool": tool,
                    "notebook": "n.ipynb",
                    "running": None if given else "id-0",
                    "code": bool(given),
                    "seconds": 0,
                }
            ]
            await at.steer("pause", agent=agent["kind"])
            await at.steer("resume", agent=agent["kind"])
            go_on.set()
            await client.call_tool("get_run", {"run_id": reply.structured_content["run"]})
            assert [agent["calls"] for agent in (await at.state())["agents"]] == [[]]
            ended = [event for schema, event in at.events if schema == TOOL_CALL and event["phase"] == "ended"]
            assert [(event["tool"], event["outcome"], event["running"]) for event in ended][-1] == (tool, "done", None)
            assert [cell["id"] for cell in ended[-1]["cells"]] == ([] if given else ["id-0"])
            assert ended[-1]["code"] == bool(given)

    run(tmp_path, job)


@pytest.mark.parametrize(
    ("tool", "what"), [("execute_cell", {"index": 1}), ("run_cells", {"start": 1}), ("run_code", {"code": "two"})]
)
def test_what_waits_for_the_kernel_does_not_begin_after_a_pause(
    tmp_path: Path, tool: str, what: dict[str, Any]
) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        started, go_on = asyncio.Event(), asyncio.Event()
        ran: list[str] = []

        async def script(kernel: FakeKernel) -> None:
            ran.append(kernel.code)
            kernel.status("busy")
            started.set()
            await go_on.wait()
            kernel.done()

        at.seat.fake.script = script
        async with at.agent() as client:
            first = asyncio.create_task(client.call_tool("execute_cell", {"path": "n.ipynb", "index": 0}))
            await started.wait()
            second = asyncio.create_task(client.call_tool(tool, {"path": "n.ipynb", **what}))
            while len((await at.state())["agents"][0]["calls"]) < 2:  # noqa: ASYNC110 - each look is a request
                await asyncio.sleep(0)
            await at.steer("pause")
            go_on.set()
            await first
            said = ""
            try:
                said = str((await second).structured_content)
            except ToolError as error:
                said = str(error)
            assert re.search(r"has paused all agents .*nothing more was done", said)
            assert ran == ["one"]

    run(tmp_path, job)
