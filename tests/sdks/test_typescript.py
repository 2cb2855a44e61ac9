"""The TypeScript SDK's clients get what agents need: whole replies, pictures, progress, runs that outlive calls."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jupyter_mcp.tools import waiting
from tests.live.conftest import Server
from tests.support.bridge import TOKEN, until
from tests.support.fake_kernel import FakeKernel, held, obeys
from tests.support.served import Served, run

from .installed import lacking
from .node_client import NodeClient, NodeError, node_client

pytestmark = [
    pytest.mark.skipif(lacking() is not None, reason=str(lacking())),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # upstream's streams
]
# The SDK before 2026, and the one since, in both eras.
CLIENTS = ((1, "legacy"), (2, "legacy"), (2, "auto"))
EACH = pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=["1, 2025-11-25", "2, 2025-11-25", "2, 2026-07-28"])
LEGACY = pytest.mark.parametrize("sdk", [1, 2])


def served(folder: Path, sdk: int, mode: str, job: Callable[[Served, NodeClient], Awaitable[None]]) -> None:
    """Serve a notebook of two cells to a connected client."""

    async def whole(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        async with node_client(sdk, mode, at.bridge.url, TOKEN) as client:
            connected = await client.do("connect")
            assert connected["protocol"] == ("2026-07-28" if mode == "auto" else "2025-11-25")
            await job(at, client)

    run(folder, whole)


def texts(result: dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in result["content"] if block["type"] == "text")


def begun(at: Served) -> bool:
    return any(step.messages for one in at.seat.execution.runs.active() for step in one.steps)


@EACH
def test_all_that_is_offered_is_listed_and_taken(tmp_path: Path, sdk: int, mode: str) -> None:
    async def job(at: Served, client: NodeClient) -> None:
        assert [tool["name"] for tool in (await client.do("tools"))["tools"]] == at.all_tools
        assert [one["uri"] for one in (await client.do("resources"))["resources"]]
        assert (await client.do("templates"))["resourceTemplates"][0]["uriTemplate"].startswith("notebook:///")
        assert "one" in (await client.do("resource", uri="notebook:///n.ipynb"))["contents"][0]["text"]
        names = [one["name"] for one in (await client.do("prompts"))["prompts"]]
        assert "n.ipynb" in json.dumps(await client.do("prompt", name=names[0], args={"path": "n.ipynb"}))
        ref = {"type": "ref/prompt", "name": names[0]}
        completed = await client.do("complete", ref=ref, argument={"name": "path", "value": "n"})
        assert completed["completion"]["values"] == ["n.ipynb"]

    served(tmp_path, sdk, mode, job)


@EACH
def test_a_reply_says_the_same_as_text_and_as_structured_content(tmp_path: Path, sdk: int, mode: str) -> None:
    async def job(_: Served, client: NodeClient) -> None:
        read = await client.tool("get_cell", path="n.ipynb", index=1)
        assert json.loads(texts(read)) == read["structuredContent"]
        made = await client.tool("insert_cell", path="n.ipynb", index=1, source="new")
        assert made["structuredContent"]["id"] in texts(made)
        assert made["structuredContent"]["revision"] in texts(made)
        done = await client.tool("execute_cell", path="n.ipynb", cell_id=made["structuredContent"]["id"])
        assert done["structuredContent"]["result"][0]["content"]["text"] == "new"
        refused = await client.tool("get_cell", path="n.ipynb", index=9)
        assert refused["isError"] is True
        assert "9" in texts(refused)
        unknown = await client.tool("get_cell", path="n.ipynb", idx=1)
        assert unknown["isError"] is True
        assert "index" in texts(unknown)

    served(tmp_path, sdk, mode, job)


@EACH
def test_a_picture_is_an_image_and_never_bytes_in_json(tmp_path: Path, sdk: int, mode: str) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((3000, 2000)).save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()

    async def draw(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.display({"image/png": picture, "text/plain": "<Figure>"})
        kernel.done()

    async def job(at: Served, client: NodeClient) -> None:
        at.seat.fake.script = draw
        done = await client.tool("execute_cell", path="n.ipynb", index=0)
        got = await client.tool("get_output", path="n.ipynb", cell_id="id-0")
        assert "structuredContent" not in got
        assert picture[:60] not in json.dumps(done["structuredContent"]) + texts(done)
        for result in (done, got):
            (image,) = (block for block in result["content"] if block["type"] == "image")
            with Image.open(io.BytesIO(base64.b64decode(image["data"]))) as shown:
                assert max(shown.size) == 1568

    served(tmp_path, sdk, mode, job)


@EACH
def test_a_long_output_is_cut_and_says_how_to_get_the_rest(tmp_path: Path, sdk: int, mode: str) -> None:
    async def print_much(kernel: FakeKernel) -> None:
        kernel.status("busy")
        kernel.stream("begin\n" + "y" * 200_000 + "\nthe end")
        kernel.done()

    async def job(at: Served, client: NodeClient) -> None:
        at.seat.fake.script = print_much
        done = await client.tool("execute_cell", path="n.ipynb", index=0)
        assert len(json.dumps(done)) < 20_000
        for part in ("begin", "the end", "get_output("):
            assert part in texts(done)
            assert part in json.dumps(done["structuredContent"])

    served(tmp_path, sdk, mode, job)


@EACH
def test_progress_names_what_a_call_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdk: int, mode: str
) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.1)

    async def job(at: Served, client: NodeClient) -> None:
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        _, answer = client.begin("tool", name="execute_cell", args={"path": "n.ipynb", "index": 0})
        assert "running" in (await client.until("progress"))["message"]
        go.set()
        assert "first last" in texts(await asyncio.wait_for(answer, 30))

    served(tmp_path, sdk, mode, job)


@LEGACY
def test_a_call_that_is_aborted_interrupts_its_cell(tmp_path: Path, sdk: int) -> None:
    async def job(at: Served, client: NodeClient) -> None:
        at.seat.fake.script = held(asyncio.Event())
        at.seat.manager.on_interrupt = lambda: obeys(at.seat.fake)
        number, answer = client.begin("tool", name="execute_cell", args={"path": "n.ipynb", "index": 0})
        await asyncio.wait_for(until(lambda: begun(at)), 30)
        await client.do("abort", call=number, reason="the person pressed stop")
        with pytest.raises(NodeError):
            await asyncio.wait_for(answer, 30)
        await asyncio.wait_for(until(lambda: at.seat.manager.interrupts > 0), 30)
        await asyncio.wait_for(until(lambda: not at.seat.execution.runs.active()), 30)
        state = await client.tool("get_cell", path="n.ipynb", index=0)
        assert state["structuredContent"]["state"] == "interrupted"

    served(tmp_path, sdk, "legacy", job)


@EACH
def test_a_call_whose_clients_time_is_over_goes_on(tmp_path: Path, sdk: int, mode: str) -> None:
    async def job(at: Served, client: NodeClient) -> None:
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        with pytest.raises(NodeError, match=r"(?i)timed out"):
            await client.do("tool", name="execute_cell", args={"path": "n.ipynb", "index": 0}, timeout=400)
        await asyncio.wait_for(until(lambda: begun(at)), 30)
        found = (await client.tool("get_cell", path="n.ipynb", index=0))["structuredContent"]
        assert found["state"] == "running"
        go.set()
        ended = await client.tool("get_run", run_id=found["run"], wait=20)
        assert ended["structuredContent"]["state"] == "done"
        assert "first last" in texts(await client.tool("get_cell", path="n.ipynb", index=0))
        assert at.seat.manager.interrupts == 0

    served(tmp_path, sdk, mode, job)


@EACH
def test_a_run_outlives_a_client_that_is_killed(tmp_path: Path, sdk: int, mode: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one")
        go = asyncio.Event()
        at.seat.fake.script = held(go)
        async with node_client(sdk, mode, at.bridge.url, TOKEN) as killed:
            await killed.do("connect")
            _, answer = killed.begin("tool", name="execute_cell", args={"path": "n.ipynb", "index": 0})
            answer.cancel()
            await asyncio.wait_for(until(lambda: begun(at)), 30)
        async with node_client(sdk, mode, at.bridge.url, TOKEN) as other:
            await other.do("connect")
            found = (await other.tool("get_cell", path="n.ipynb", index=0))["structuredContent"]
            assert found["state"] == "running"
            go.set()
            ended = await other.tool("get_run", run_id=found["run"], wait=20)
            assert ended["structuredContent"]["state"] == "done"
        assert at.seat.manager.interrupts == 0

    run(tmp_path, job)


def test_a_subscriber_is_told_of_a_change(tmp_path: Path) -> None:
    async def job(_: Served, client: NodeClient) -> None:
        await client.do("listen", uri="notebook:///n.ipynb")
        await client.tool("insert_cell", path="n.ipynb", index=0, source="new")
        assert (await client.until("updated"))["uri"] == "notebook:///n.ipynb"

    served(tmp_path, 2, "auto", job)


@LEGACY
def test_a_client_without_subscriptions_is_refused_at_once_and_can_watch(tmp_path: Path, sdk: int) -> None:
    async def job(_at: Served, client: NodeClient) -> None:
        with pytest.raises(NodeError, match=r"(?i)not (found|support)"):
            await client.do("subscribe", uri="notebook:///n.ipynb")
        args = {"path": "n.ipynb", "timeout": 20}
        _, watching = client.begin("tool", name="watch_notebook", args=args)
        while not watching.done():
            await client.tool("insert_cell", path="n.ipynb", index=0, source="new")
        assert (await watching).get("isError", False) is False

    served(tmp_path, sdk, "legacy", job)


@EACH
@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_client_without_the_token_is_told_401_and_what_to_send(
    tmp_path: Path, sdk: int, mode: str, token: str | None
) -> None:
    async def job(at: Served) -> None:
        async with node_client(sdk, mode, at.bridge.url, token) as client:
            with pytest.raises(NodeError, match=r"(?s)(401|Authorization: Bearer|The token is not valid)"):
                await client.do("connect")

    run(tmp_path, job)


@LEGACY
def test_a_session_goes_on_when_the_server_was_started_anew(tmp_path: Path, sdk: int) -> None:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    server = Server(folder, home).start()

    async def job() -> None:
        async with node_client(sdk, "legacy", server.mcp, server.token) as client:
            await client.do("connect")
            await client.tool("create_notebook", path="n.ipynb")
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            read = await client.tool("get_notebook", path="n.ipynb")
            assert len(read["structuredContent"]["cells"]) == 1

    try:
        asyncio.run(job())
    finally:
        server.stop()
