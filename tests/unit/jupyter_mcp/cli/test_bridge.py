"""What a client says over stdio reaches the server, and the other way round: in both eras, and through a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from jupyter_server.auth.identity import IdentityProvider
from mcp.types import ImageContent

from jupyter_mcp.cli import messages
from jupyter_mcp.tornado_asgi import ASGI_PATH
from jupyter_mcp.transport.bridge_cancels import BRIDGE, BridgeCancels
from tests.support.bridge import TOKEN, Bridge, bridge
from tests.support.runtime import HANDLERS, environment, program, runtime_file

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
PIXEL = "iVBORw0KGgo="


class Jupyter:
    """A server with tools of every sort, and its file in the runtime folder."""

    def __init__(self, folder: Path) -> None:
        self.root, self.runtime = folder / "root", folder / "runtime"
        self.root.mkdir()
        self.log = folder / "bridge.log"
        self.begun, self.go_on, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.names: list[Any] = []
        self.calls = 0

    def server(self) -> FastMCP[Any]:
        server: FastMCP[Any] = FastMCP("sorts", instructions="Be kind.")

        @server.tool
        def picture() -> ToolResult:
            return ToolResult(content=["seen", ImageContent(type="image", data=PIXEL, mime_type="image/png")])

        @server.tool
        async def slow(ctx: Context) -> str:
            self.calls += 1
            await ctx.report_progress(1, 2, "half")
            self.begun.set()
            await self.go_on.wait()
            return "slowly"

        @server.tool
        def refuses() -> str:
            raise ToolError("No; read the cell again.")

        @server.resource("text://é")
        def text() -> str:
            return "ü\u2028"

        return server

    @asynccontextmanager
    async def up(self, token: str = TOKEN) -> AsyncIterator[Bridge]:
        app = self.server().http_app(path=ASGI_PATH)

        def cancelled(name: str, params: Any) -> None:
            self.names.append((name, params))
            self.cancelled.set()

        settings = {"identity_provider": IdentityProvider(token=token)}
        served = BridgeCancels(app, cancelled)
        async with bridge(served, lambda: app.lifespan(app), settings=settings, handlers=HANDLERS) as at:
            file = runtime_file(self.runtime, at.port, self.root, token=token)
            try:
                yield at
            finally:
                file.unlink()

    def client(self, era: str, **options: Any) -> Client[Any]:
        command, *words = program("stdio")
        transport = StdioTransport(
            command, words, environment(self.runtime), str(self.root), keep_alive=False, log_file=self.log
        )
        return Client(transport, mode=era, **options)


def run(folder: Path, job: Callable[[Jupyter], Awaitable[None]]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(job(Jupyter(folder)), 60)

    asyncio.run(whole())


@ERAS
def test_tools_pictures_resources_and_refusals_pass_through(era: str, tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        async with at.up(), at.client(era) as client:
            assert {tool.name for tool in await client.list_tools()} == {"picture", "slow", "refuses"}
            seen = await client.call_tool("picture")
            assert [block.type for block in seen.content] == ["text", "image"]
            assert seen.content[1].data == PIXEL
            (text,) = await client.read_resource("text://é")
            assert text.text == "ü\u2028"
            with pytest.raises(ToolError, match="read the cell again"):
                await client.call_tool("refuses")

    run(tmp_path, job)
    assert TOKEN not in (tmp_path / "bridge.log").read_text()


@ERAS
def test_progress_comes_while_a_call_runs_and_other_calls_beside_it(era: str, tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        told: list[Any] = []

        async def progress(*about: Any) -> None:
            told.append(about)

        async with at.up(), at.client(era) as client:
            slow = asyncio.create_task(client.call_tool("slow", progress_handler=progress))
            await at.begun.wait()
            await client.call_tool("picture")
            assert told == [(1, 2, "half")]
            at.go_on.set()
            assert (await slow).data == "slowly"

    run(tmp_path, job)


@ERAS
def test_a_cancel_reaches_the_server(era: str, tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        async with at.up() as served, at.client(era) as client:
            slow = asyncio.create_task(client.call_tool("slow"))
            await at.begun.wait()
            slow.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await slow
            if era == "auto":
                await at.cancelled.wait()
                ((name, params),) = at.names
                assert name.startswith("bridge ")
                assert params["requestId"] is not None
            assert (await client.call_tool("picture")).content
            assert "Traceback" not in served.log

    run(tmp_path, job)


@ERAS
def test_a_restart_with_another_port_and_token_is_not_noticed(era: str, tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        async with contextlib.AsyncExitStack() as ends:
            async with at.up():
                client = await ends.enter_async_context(at.client(era))
                await client.call_tool("picture")
            call = asyncio.create_task(client.call_tool("picture"))
            async with at.up("another-token"):
                assert len((await call).content) == 2
                assert {tool.name for tool in await client.list_tools()} == {"picture", "slow", "refuses"}
                await client.close()

    run(tmp_path, job)
    log = (tmp_path / "bridge.log").read_text()
    assert "goes on with" in log
    assert "another-token" not in log


@ERAS
def test_a_call_that_ran_when_the_server_went_is_never_done_twice(era: str, tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        async with contextlib.AsyncExitStack() as ends:
            async with at.up():
                client = await ends.enter_async_context(at.client(era))
                slow = asyncio.create_task(client.call_tool("slow"))
                await at.begun.wait()
            async with at.up():
                with pytest.raises(Exception, match=r"look at the notebook|ended|closed|went away"):
                    await slow
                assert at.calls == 1
                await client.close()

    run(tmp_path, job)


async def talk(at: Jupyter, *lines: bytes) -> list[dict[str, Any]]:
    """Say lines to the bridge; return what it answers."""
    process = await asyncio.create_subprocess_exec(
        *program("stdio"),
        cwd=at.root,
        env=environment(at.runtime),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"".join(line + b"\n" for line in lines))
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def test_lines_that_are_no_messages_are_answered_and_do_no_harm(tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        async with at.up():
            ask = json.dumps({"jsonrpc": "2.0", "id": "é", "method": "ping"}).encode()
            answers = await talk(at, b"{", b"", b"7", b"\xff", b"[" * 99_999, b'{"id": null}', b"[" + ask + b"]")
            errors = [answer["error"]["code"] for answer in answers if answer.get("id") is None]
            assert sorted(errors) == [-32700, -32700, -32700, -32602, -32600]
            (last,) = [answer for answer in answers if answer.get("id") == "é"]
            assert "result" in last or "error" in last

    run(tmp_path, job)


def test_what_is_asked_before_the_input_ends_is_answered(tmp_path: Path) -> None:
    async def job(at: Jupyter) -> None:
        meta = {
            messages.VERSION_KEY: "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        ask = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
        async with at.up():
            (answer,) = await talk(at, json.dumps(ask).encode())
            assert answer["result"]["instructions"] == "Be kind."

    run(tmp_path, job)


def test_a_message_of_the_later_era_has_the_headers_that_http_wants() -> None:
    call = {"method": "tools/call", "params": {"name": "é", "_meta": {messages.VERSION_KEY: "2026-07-28"}}}
    assert messages.routing(call) == {
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "=?base64?w6k=?=",
    }
    assert messages.routing({"method": "tools/call", "params": {"name": "a"}}) == {}
    assert messages.routing({"method": "x", "params": {"_meta": {messages.VERSION_KEY: "1\r\nEvil: 1"}}}) == {}
    assert messages.BRIDGE.lower() == BRIDGE


@pytest.mark.parametrize(
    ("method", "again"),
    [
        ("tools/list", True),
        ("resources/templates/list", True),
        ("resources/read", True),
        ("ping", True),
        ("tools/call", False),
        ("subscriptions/listen", False),
        ("x/read/y", False),
    ],
)
def test_only_what_does_nothing_is_sent_again(method: str, again: bool) -> None:
    assert messages.may_repeat({"method": method}) is again


def test_events_are_read_as_the_standard_has_it() -> None:
    lines = [
        b": hello\n",
        b"\n",
        b"id: 1\n",
        b"data: \n",
        b"\n",
        b"event: message\r\n",
        b'data: {"a":\r\n',
        b"data:1}\r\n",
        b"\r\n",
    ]
    (body,) = messages.events(lines)
    assert json.loads(messages.line(body)) == {"a": 1}
    assert messages.line(body).count(b"\n") == 1
