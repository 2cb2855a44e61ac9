"""A client of the TypeScript SDK in a Node of its own, as a test drives it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from .installed import FOLDER, node


class NodeError(Exception):
    """What the SDK threw: its class, its code and its message."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['name']} {error['code']}: {error['message']}")
        self.code = error["code"]


class NodeClient:
    """Sends calls to the program, and takes what it says apart."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.came = asyncio.Condition()

    def begin(self, what: str, **params: Any) -> tuple[int, asyncio.Future[Any]]:
        """Begin a call; return its number and its answer to be."""
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": what, **params}).encode() + b"\n")
        return number, answer

    async def do(self, what: str, **params: Any) -> Any:
        """Make a call. Raises NodeError."""
        return await asyncio.wait_for(self.begin(what, **params)[1], 30)

    async def tool(self, name: str, **args: Any) -> Any:
        """Call a tool."""
        return await self.do("tool", name=name, args=args)

    async def until(self, event: str) -> dict[str, Any]:
        """Return the first event of that kind, which may have come already."""
        async with self.came:
            await asyncio.wait_for(self.came.wait_for(lambda: any(one["event"] == event for one in self.events)), 30)
        return next(one for one in self.events if one["event"] == event)

    async def read(self) -> None:
        """Hand out what the program says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                async with self.came:
                    self.events.append(said)
                    self.came.notify_all()
                continue
            answer = self._waiting.pop(said["id"])
            if answer.cancelled():
                continue
            if "error" in said:
                answer.set_exception(NodeError(said["error"]))
            else:
                answer.set_result(said["result"])


@asynccontextmanager
async def node_client(sdk: int, mode: str, url: str, token: str | None) -> AsyncIterator[NodeClient]:
    """Start a client; it is not connected yet."""
    about = json.dumps({"sdk": sdk, "mode": mode, "url": url, "token": token})
    process = await asyncio.create_subprocess_exec(
        str(node() / "node"),
        str(FOLDER / "client.mjs"),
        about,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        cwd=FOLDER,
    )
    client = NodeClient(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


async def inspector(home: Path, url: str, token: str | None, *arguments: str) -> tuple[int, str, str]:
    """Run the inspector's command line; return its exit code, what it printed, and its errors."""
    program = (
        FOLDER / "node_modules" / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    )
    header = [] if token is None else ["--header", f"Authorization: Bearer {token}"]
    process = await asyncio.create_subprocess_exec(
        str(node() / "node"),
        str(program),
        *("--cli", url, "--transport", "http", *header, "--stored-auth-only", "--format", "json", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"HOME": str(home), "PATH": str(node()), "NO_COLOR": "1"},
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), error.decode()
