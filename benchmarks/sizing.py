"""What one server needs: memory and latency by open rooms, connected agents and kernels.

`python -m benchmarks.sizing` prints one table. Memory is resident (RSS): of the server, and of a kernel. Latency is
that of one agent reading and editing a cell while everything else is open, so that what it pays for is the others.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from .client import Agent
from .notebooks import write
from .server import Server

ROOMS = [1, 10, 50, 100, 200]
AGENTS = [1, 10, 50, 100]
KERNELS = 4
SETTLE = 3.0  # seconds until saves are over
MEGABYTE = 1 << 20


async def connected(server: Server) -> Agent:
    return await Agent(f"{server.url}mcp", server.token).connect()


async def latency(agent: Agent, path: str, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of a read and of an edit."""
    reads, edits = [], []
    for number in range(rounds):
        started = time.perf_counter()
        await agent.call("get_cell", {"path": path, "index": 0})
        middle = time.perf_counter()
        await agent.call("update_cell", {"path": path, "index": 0, "source": f"x = {number}"})
        reads.append(middle - started)
        edits.append(time.perf_counter() - middle)
    return statistics.median(reads) * 1000, statistics.median(edits) * 1000


async def line(server: Server, agent: Agent, what: str, path: str, rounds: int) -> None:
    await asyncio.sleep(SETTLE)
    memory = server.memory() / MEGABYTE
    read, edit = await latency(agent, path, rounds)
    print(f"| {what} | {memory:.0f} | {read:.1f} | {edit:.1f} |", flush=True)


async def measure(cells: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="sizing-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(sys.executable), Path(folder))
        await server.start()
        try:
            print(
                f"Notebooks of {cells} cells.\n\n| open | server, MB | read, ms | edit, ms |\n| --- | --- | --- | --- |"
            )
            async with AsyncExitStack() as stack:
                agent = await connected(server)
                stack.push_async_callback(agent.close)
                first = write(server.root, "room-0.ipynb", cells)
                opened = 0
                for count in ROOMS:
                    for number in range(opened, count):
                        path = write(server.root, f"room-{number}.ipynb", cells)
                        await agent.call("open_notebook_session", {"path": path})
                    opened = count
                    await line(server, agent, f"{count} rooms", first, rounds)
                others: list[Agent] = []
                for count in AGENTS:
                    while len(others) < count:
                        others.append(await connected(server))
                        stack.push_async_callback(others[-1].close)
                        await others[-1].call("get_cell", {"path": first, "index": 0})
                    await line(server, agent, f"{opened} rooms, {count} more agents", first, rounds)
                for number in range(KERNELS):
                    path = f"room-{number}.ipynb"
                    await agent.call("update_cell", {"path": path, "index": 0, "source": "1 + 1"})
                    await agent.call("execute_cell", {"path": path, "index": 0})
                await line(server, agent, f"the same, {KERNELS} kernels", first, rounds)
                resident = [psutil.Process(pid).memory_info().rss / MEGABYTE for pid in server.kernels()]
                print(f"\nA kernel that has imported nothing: {statistics.median(resident):.0f} MB.")
        finally:
            server.stop()


def main() -> None:
    parse = argparse.ArgumentParser("benchmarks.sizing", description=__doc__)
    parse.add_argument("--cells", type=int, default=50, help="in each notebook")
    parse.add_argument("--rounds", type=int, default=30, help="how often each call is measured")
    options = parse.parse_args()
    asyncio.run(measure(options.cells, options.rounds))


if __name__ == "__main__":
    main()
