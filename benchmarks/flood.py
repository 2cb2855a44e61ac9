"""What a kernel that floods costs the server: memory while it lasts and after, and other requests meanwhile.

`python -m benchmarks.flood` prints one table. `plain` is Jupyter Server without the extension, and a page's websocket
that reads the flood; `loaded` the same with the extension; `agent` the extension, and a call of execute_cell instead
of a page. Peak: VmHWM over what was resident before, in MB; after: what is still resident SETTLE seconds later. Every
flood meets a server of its own that has run one cell before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import websockets

from .client import Agent
from .errors import CallError
from .notebooks import write
from .server import Server

MEGABYTE = 1 << 20
SETTLE = 9.0  # seconds after the flood: the server looks every five for what it can give back
PAUSE = 0.02  # seconds between other requests
WITHIN = 300.0  # seconds that a flood may take
FLOODS = {
    "lines of 1 KB": "for _ in range({total} * 1000): print('x' * 1000)",
    "lines of 100 KB": "for _ in range({total} * 10): print('x' * 100_000)",
    "lines of 1 MB": "for _ in range({total}): print('x' * 1_000_000)",
    "displays of 5 MB": "for _ in range({total} // 5): display({{'text/plain': 'x' * 5_000_000}}, raw=True)",
    "displays of 1 KB": "for _ in range({total} * 20): display({{'text/plain': 'x' * 1000}}, raw=True)",
}
Run = Callable[[str], Awaitable[None]]


@dataclass
class Figures:
    """Of one flood of one subject; times in milliseconds, memory in MB."""

    peak: float = 0.0
    after: float = 0.0
    seconds: float = 0.0
    status: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _forget_peak(pid: int) -> None:
    """Let VmHWM start anew (Linux, proc(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@asynccontextmanager
async def _page(server: Server) -> Any:
    """Yield what runs code on a kernel as a page does, and reads all that comes back."""
    headers = {"Authorization": f"token {server.token}"}
    async with httpx.AsyncClient(headers=headers, timeout=WITHIN) as http:
        kernel = (await http.post(f"{server.url}api/kernels", json={})).raise_for_status().json()["id"]
    url = f"{server.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:

        async def run(source: str) -> None:
            header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "username": "", "session": "flood"}
            content = {"code": source, "silent": False, "store_history": False, "allow_stdin": False}
            message = {"header": {**header, "version": "5.3"}, "parent_header": {}, "metadata": {}, "content": content}
            await socket.send(json.dumps({**message, "channel": "shell"}))
            left = {"idle", "reply"}
            while left:
                answer = json.loads(await socket.recv())
                if answer["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                if answer["msg_type"] == "execute_reply":
                    left.discard("reply")
                elif answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                    left.discard("idle")

        yield run


@asynccontextmanager
async def _call(server: Server) -> Any:
    """Yield what runs code as an agent does."""
    path = write(server.root, "flood.ipynb", 3)
    agent = await Agent(f"{server.url}mcp", server.token).connect()

    async def run(source: str) -> None:
        await agent.call("update_cell", {"path": path, "index": 0, "source": source})
        await agent.call("execute_cell", {"path": path, "index": 0})

    yield run
    await agent.close()


SUBJECTS = {"plain": (_page, False), "loaded": (_page, True), "agent": (_call, True)}


async def _others(server: Server, mcp: bool, figures: Figures, over: asyncio.Event) -> None:
    """Ask other things of the server until the flood is over."""
    path = write(server.root, "other.ipynb", 20)
    agent = await Agent(f"{server.url}mcp", server.token).connect() if mcp else None
    async with httpx.AsyncClient(headers={"Authorization": f"token {server.token}"}, timeout=WITHIN) as http:
        while not over.is_set():
            started = time.perf_counter()
            (await http.get(f"{server.url}api/status")).raise_for_status()
            figures.status.append((time.perf_counter() - started) * 1000)
            if agent is not None:
                started = time.perf_counter()
                await agent.call("get_cell", {"path": path, "index": 0})
                figures.reads.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(PAUSE)
    if agent is not None:
        await agent.close()


async def measure(subject: str, source: str, folder: Path) -> Figures:
    """Let one flood meet one subject."""
    seat, extension = SUBJECTS[subject]
    options = () if extension else ("--ServerApp.jpserver_extensions={'jupyter_mcp': False}",)
    server = Server(Path(sys.executable), folder, options)
    await server.start()
    figures, over = Figures(), asyncio.Event()
    try:
        async with seat(server) as run:
            await run("from IPython.display import display")
            await _others(server, extension, Figures(), _set())
            await asyncio.sleep(SETTLE)
            idle = server.memory() / MEGABYTE
            _forget_peak(server.pid)
            others = asyncio.create_task(_others(server, extension, figures, over))
            started = time.perf_counter()
            try:
                await asyncio.wait_for(run(source), WITHIN)
            finally:
                figures.seconds = time.perf_counter() - started
                over.set()
                await others
            figures.peak = _peak(server.pid) - idle
            await asyncio.sleep(SETTLE)
            figures.after = server.memory() / MEGABYTE - idle
    finally:
        server.stop()
    return figures


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _times(values: list[float]) -> str:
    return f"{statistics.median(values):.0f}, {max(values):.0f}" if values else "-"


async def run(total: int, floods: list[str], subjects: list[str]) -> None:
    print(f"{total} MB each. Memory in MB over idle; times of other requests: median, worst, in ms.\n")
    print("| flood | | peak | after | seconds | /api/status | get_cell |\n| --- | --- | --- | --- | --- | --- | --- |")
    for flood in floods:
        for subject in subjects:
            with tempfile.TemporaryDirectory(prefix="flood-", ignore_cleanup_errors=True) as folder:
                try:
                    one = await measure(subject, FLOODS[flood].format(total=total), Path(folder))
                except (CallError, TimeoutError) as error:
                    print(f"| {flood} | {subject} | {str(error) or 'over the time limit'} | | | | |", flush=True)
                    continue
            times = f"{one.seconds:.1f} | {_times(one.status)} | {_times(one.reads)}"
            print(f"| {flood} | {subject} | {one.peak:.0f} | {one.after:.0f} | {times} |", flush=True)


def main() -> None:
    parse = argparse.ArgumentParser("benchmarks.flood", description=__doc__)
    parse.add_argument("--megabytes", type=int, default=200, help="that a kernel prints or shows")
    parse.add_argument("--floods", type=lambda text: text.split(","), default=list(FLOODS), help="comma-separated")
    parse.add_argument("--subjects", type=lambda text: text.split(","), default=list(SUBJECTS), help="comma-separated")
    options = parse.parse_args()
    asyncio.run(run(options.megabytes, options.floods, options.subjects))


if __name__ == "__main__":
    main()
