"""MCP tasks over runs: offered to clients that know them, and nothing is different for the others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.types import CallToolResult, Request, RequestParams, Result
from pydantic import Field

from jupyter_mcp.tools import tasks
from tests.support.bridge import AUTHORIZED
from tests.support.bridge import until as until_so
from tests.support.fake_kernel import held
from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


class Asking:
    """A client that speaks 2026-07-28 by hand, to see what goes over the wire."""

    def __init__(self, at: Served, capabilities: dict[str, Any] | None = None) -> None:
        self.at = at
        self.capabilities = TASKS if capabilities is None else capabilities

    async def ask(self, method: str, about: str | None = None, /, **params: Any) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        }
        headers = {
            **AUTHORIZED,
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            **({} if about is None else {"Mcp-Name": about}),
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        async with self.at.bridge.client() as http:
            answer = await http.post(self.at.bridge.url, headers=headers, json=body)
        text = answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            text = [line for line in text.splitlines() if line.startswith("data:")][-1].removeprefix("data:")
        found: dict[str, Any] = json.loads(text)
        return found

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("tools/call", tool, name=tool, arguments=arguments))["result"]
        return found

    async def get(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("tasks/get", task, taskId=task))["result"]
        return found

    async def begun(self, task: str) -> dict[str, Any]:
        while "running" not in (found := await self.get(task))["statusMessage"]:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.02)
        return found

    async def ended(self, task: str) -> dict[str, Any]:
        while (found := await self.get(task))["status"] == "working":  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.02)
        return found


@pytest.fixture(autouse=True)
def every_call_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SOON", 0.05)


CALLS = pytest.mark.parametrize(
    ("tool", "arguments"),
    [("execute_cell", {"index": 0}), ("run_cells", {}), ("run_code", {"code": "x"})],
    ids=["execute_cell", "run_cells", "run_code"],
)


@CALLS
def test_a_long_call_becomes_a_task_that_ends_with_what_the_call_returns(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        client = Asking(at)
        task = await client.call(tool, path="n.ipynb", **arguments)
        assert (task["resultType"], task["status"]) == ("task", "working")
        assert task["ttlMs"] >= 3_600_000
        assert task["pollIntervalMs"] > 0
        looked = await client.begun(task["taskId"])
        assert (looked["resultType"], looked["status"]) == ("complete", "working")
        assert looked["createdAt"] <= looked["lastUpdatedAt"]
        assert "running" in looked["statusMessage"]
        assert "result" not in looked
        # The same run, for those that know no tasks.
        assert (await client.call("get_run", run_id=task["taskId"], wait=0))["structuredContent"]["state"] == "running"
        go.set()
        ended = await client.ended(task["taskId"])
        assert ended["status"] == "completed"
        assert ended["ttlMs"] >= 3_600_000
        result = ended["result"]
        assert result.get("isError", False) is False
        assert "first last" in str(result["structuredContent"])
        assert any("first last" in block["text"] for block in result["content"])

    run(tmp_path, job)


def test_a_short_call_and_a_client_without_tasks_get_what_they_always_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        monkeypatch.setattr(tasks, "SOON", 20)
        short = await Asking(at).call("execute_cell", path="n.ipynb", index=0)
        assert short["resultType"] == "complete"
        assert "one" in str(short["structuredContent"])
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        plain = Asking(at, {})
        monkeypatch.setattr(tasks, "SOON", 0.05)
        calling = asyncio.create_task(plain.call("execute_cell", path="n.ipynb", index=0))
        await asyncio.sleep(0.5)
        assert not calling.done()
        go.set()
        assert "first last" in str((await calling)["structuredContent"])
        refused = await plain.ask("tasks/get", "run-0", taskId="run-0")
        assert refused["error"]["code"] == -32021
        listed = await plain.ask("server/discover")
        assert "io.modelcontextprotocol/tasks" in listed["result"]["capabilities"]["extensions"]

    run(tmp_path, job)


def test_a_task_is_cancelled_through_the_kernel_and_says_so_when_it_obeyed(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        at.seat.fake.script = held(asyncio.Event())
        error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}

        def obey() -> None:
            at.seat.fake.publish("error", error)
            at.seat.fake.reply(status="error", execution_count=1, **error)
            at.seat.fake.status("idle")

        client = Asking(at)
        task = (await client.call("execute_cell", path="n.ipynb", index=0))["taskId"]
        await client.begun(task)
        acknowledged = await client.ask("tasks/cancel", task, taskId=task)
        assert "error" not in acknowledged
        assert (await client.get(task))["status"] == "working"  # the kernel ignores it
        at.seat.manager.on_interrupt = obey
        await client.ask("tasks/cancel", task, taskId=task)
        ended = await client.ended(task)
        assert ended["status"] == "cancelled"
        assert "result" not in ended
        assert (await client.ask("tasks/update", task, taskId=task, inputResponses={}))["result"] is not None

    run(tmp_path, job, grace=0.2)


def test_a_task_whose_kernel_died_ends_with_the_error_that_the_call_would_be(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        at.seat.fake.script = held(asyncio.Event())
        client = Asking(at)
        task = (await client.call("execute_cell", path="n.ipynb", index=0))["taskId"]
        await client.begun(task)
        at.seat.manager.alive = False
        ended = await client.ended(task)
        assert (ended["status"], ended["result"]["isError"]) == ("completed", True)
        assert "The kernel died while the cell ran" in ended["result"]["content"][0]["text"]

    run(tmp_path, job)


def test_who_asks_for_no_task_or_is_paused_is_told(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        client = Asking(at)
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            refused = await client.ask(method, "run-0", taskId="run-0")
            assert refused["error"]["code"] == -32602
            assert "No task 'run-0'" in refused["error"]["message"]
        await at.steer("pause")
        refused = await client.ask("tasks/get", "run-0", taskId="run-0")
        assert "has paused" in refused["error"]["message"]

    run(tmp_path, job)


def test_a_header_that_names_another_task_is_refused(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            refused = await Asking(at).ask(method, "run-1", taskId="run-0")
            assert refused["error"]["code"] == -32020
            assert "Mcp-Name" in refused["error"]["message"]

    run(tmp_path, job)


def test_a_list_of_a_run_that_goes_on_is_no_task(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        client = Asking(at)
        assert (await client.call("get_notebook", path="n.ipynb"))["resultType"] == "complete"
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        task = (await client.call("execute_cell", path="n.ipynb", index=0))["taskId"]
        await client.begun(task)
        listed = await client.call("list_kernels")
        assert listed["structuredContent"]["kernels"][0]["runs"][0]["run"] == task
        go.set()
        await client.ended(task)

    run(tmp_path, job)


class _Task(Result):
    """A task, as the SDK reads it."""

    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")


class _Looked(Result):
    """What tasks/get answers."""

    result_type: Literal["complete"] = Field(alias="resultType")
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    result: dict[str, Any] | None = None


class _Which(RequestParams):
    task_id: str = Field(alias="taskId")


class _Get(Request[_Which, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"  # for the header Mcp-Name


class _KnowsTasks(ClientExtension):
    """The client's half of the extension, through the hooks that the SDK has for it."""

    identifier = tasks.TASKS_EXTENSION_ID

    def __init__(self) -> None:
        self.driven: list[str] = []

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=_Task, resolve=self._drive)]

    async def _drive(self, task: _Task, context: ClaimContext) -> CallToolResult:
        self.driven.append(task.task_id)
        while True:
            asked = _Get(params=_Which.model_validate({"taskId": task.task_id}))
            looked = await context.session.send_request(asked, _Looked)
            if looked.status != "working":
                return CallToolResult.model_validate(looked.result)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("era", ERAS)
@CALLS
def test_a_client_of_the_sdk_gets_the_same_with_tasks_and_in_the_era_that_has_none(
    tmp_path: Path, era: str, tool: str, arguments: dict[str, Any]
) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        knows = _KnowsTasks()
        async with at.agent(era=era, extensions=[knows]) as client:
            calling = asyncio.create_task(client.call_tool(tool, {"path": "n.ipynb", **arguments}))
            if era == "auto":
                await until_so(lambda: bool(knows.driven))
            else:
                await until_so(lambda: any(run.seconds > 0.2 for run in at.seat.execution.runs.active()))
            go.set()
            result = await calling
        assert "first last" in str(result.structured_content)
        assert bool(knows.driven) == (era == "auto")

    run(tmp_path, job)
