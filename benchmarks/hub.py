"""What JupyterHub needs on one machine: memory for each user, and how long their servers take to start.

`python -m benchmarks.hub --users 20` starts a real Hub and proxy (configurable-http-proxy on the PATH), and a server
for each user as a process. Memory is the proportional set size (PSS): what processes share is counted once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

from .client import Agent
from .errors import BenchmarkError

MEGABYTE = 1 << 20
SETTLE = 5.0  # seconds until servers have done what they do at their start
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.concurrent_spawn_limit = 0
c.SimpleLocalProcessSpawner.home_dir_template = "{home}/{{username}}"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser", "--allow-root"]
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 600
c.JupyterHub.services = [{{"name": "sizing", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "sizing", "services": ["sizing"], "scopes": ["admin:users", "admin:servers", "tokens"]}},
]
"""


class Hub:
    """A Hub in a folder, and its users' servers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(16)
        port, hub, api = (_free_port() for _ in range(3))
        self.url = f"http://127.0.0.1:{port}"
        homes = folder / "home"
        homes.mkdir()
        text = CONFIG.format(port=port, hub=hub, api=api, home=homes, python=sys.executable, token=self.token)
        (folder / "jupyterhub_config.py").write_text(text)
        self._log = (folder / "hub.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub"],
            cwd=folder,
            stdout=self._log,
            stderr=self._log,
            # Who measures may be root, whose Jupyter refuses to start without it, and whose settings are not ours.
            env={name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        )
        self._http = httpx.Client(headers={"Authorization": f"token {self.token}"}, timeout=120)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the Hub's API. Raises BenchmarkError."""
        reply = self._http.request(method, f"{self.url}/hub/api{path}", **options)
        if reply.status_code >= httpx.codes.BAD_REQUEST:
            raise BenchmarkError(f"the Hub answered {reply.status_code}: {reply.text}\n{self.log()[-3000:]}")
        return reply.json() if reply.content else None

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def up(self) -> None:
        """Wait until the Hub answers. Raises BenchmarkError."""
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                if self._http.get(f"{self.url}/hub/api").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise BenchmarkError(f"the Hub did not start:\n{self.log()[-3000:]}")

    def start(self, *users: str) -> list[float]:
        """Start servers at once; return after how many seconds each was ready."""
        began = time.monotonic()
        for user in users:
            self.ask("POST", f"/users/{user}/server")
        ready: dict[str, float] = {}
        while len(ready) < len(users):
            for user in users:
                if user not in ready and self.ask("GET", f"/users/{user}")["servers"].get("", {}).get("ready"):
                    ready[user] = time.monotonic() - began
            time.sleep(0.2)
        return list(ready.values())

    def stop(self, *users: str) -> None:
        """Stop servers, and wait until they have ended."""
        for user in users:
            self.ask("DELETE", f"/users/{user}/server")
        while any(self.ask("GET", f"/users/{user}")["servers"] for user in users):
            time.sleep(0.2)

    def memory(self) -> dict[str, list[float]]:
        """Return the megabytes of each process by what it is."""
        found: dict[str, list[float]] = {"hub": [_pss(psutil.Process(self.process.pid))], "proxy": []}
        found |= {"server": [], "kernel": []}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = " ".join(child.cmdline())
                kinds = {"jupyterhub.singleuser": "server", "ipykernel": "kernel", "configurable-http-proxy": "proxy"}
                kind = next((kind for name, kind in kinds.items() if name in words), None)
                if kind is not None:
                    found[kind].append(_pss(child))
            except psutil.NoSuchProcess:
                continue
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(120)
        self._log.close()


def _pss(process: Any) -> float:
    return float(process.memory_full_info().pss) / MEGABYTE


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tell(hub: Hub, what: str) -> None:
    """Print a line of the table: what all users' processes take."""
    time.sleep(SETTLE)
    memory = hub.memory()
    each = statistics.mean(memory["server"])
    kernel = f"{statistics.mean(memory['kernel']):.0f}" if memory["kernel"] else "-"
    print(
        f"| {what} | {len(memory['server'])} | {each:.0f} | {kernel} | {sum(memory['hub'] + memory['proxy']):.0f} | "
        f"{sum(map(sum, memory.values())):.0f} |",
        flush=True,
    )


async def work(hub: Hub, tokens: dict[str, str], rounds: int) -> None:
    """Let each user's agent work in a notebook of its own, and tell what that takes."""
    agents = {user: await Agent(f"{hub.url}/user/{user}/mcp", token).connect() for user, token in tokens.items()}
    try:
        for agent in agents.values():
            await agent.call("create_notebook", {"path": "n.ipynb"})
            await agent.call("insert_cell", {"path": "n.ipynb", "index": 0, "source": "1 + 1"})
        await asyncio.to_thread(tell, hub, "an agent and an open notebook each")
        alone = await latency(next(iter(agents.values())), rounds)
        together = [
            one for each in await asyncio.gather(*(latency(a, rounds) for a in agents.values())) for one in each
        ]
        for agent in agents.values():
            await agent.call("execute_cell", {"path": "n.ipynb", "index": 0})
        await asyncio.to_thread(tell, hub, "and a kernel each")
        print(f"\nAn edit takes {statistics.median(alone):.1f} ms while the others are idle, ", end="")
        print(f"{statistics.median(together):.1f} ms while all {len(agents)} edit without a pause.")
    finally:
        for agent in agents.values():
            await agent.close()


async def latency(agent: Agent, rounds: int) -> list[float]:
    """Return the milliseconds of each of some edits."""
    found = []
    for number in range(rounds):
        began = time.perf_counter()
        await agent.call("update_cell", {"path": "n.ipynb", "index": 0, "source": f"{number}"})
        found.append((time.perf_counter() - began) * 1000)
    return found


def measure(users: list[str], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True) as folder:
        hub = Hub(Path(folder))
        try:
            hub.up()
            print(f"Load of the machine at the begin: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores.\n")
            print("| open | servers | a server, MB | a kernel, MB | hub and proxy, MB | all, MB |")
            print("| --- | --- | --- | --- | --- | --- |")
            for user in users:
                hub.ask("POST", f"/users/{user}")
            starts = [hub.start(user)[0] for user in users]
            tell(hub, "nothing")
            tokens = {user: hub.ask("POST", f"/users/{user}/tokens", json={})["token"] for user in users}
            asyncio.run(work(hub, tokens, rounds))
            hub.stop(*users)
            at_once = hub.start(*users)
            print(
                f"A server starts in {statistics.median(starts):.1f} s (median, one after the other; the slowest "
                f"{max(starts):.1f} s). All {len(users)} at once: the first is ready after {min(at_once):.1f} s, the "
                f"last after {max(at_once):.1f} s."
            )
            hub.stop(*users)
        finally:
            hub.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument("--users", type=int, default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="of edits (default: %(default)s)")
    options = parser.parse_args()
    if shutil.which("configurable-http-proxy") is None:
        parser.error("needs configurable-http-proxy: npm install -g configurable-http-proxy")
    measure([f"user-{number}" for number in range(options.users)], options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
