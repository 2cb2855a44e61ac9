"""The servers under measure, each with its own words for the same operations."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .client import STATEFUL, Agent
from .errors import ServerError, SpecError
from .server import Server, free_port

SPEC = Path(__file__).with_name("subjects.toml")
OURS = "jupyter-mcp"
# What every subject's server runs, so that only the subject differs.
COMMON = ("jupyterlab", "jupyter-collaboration", "jupyter-server", "jupyter-server-ydoc", "jupyter-ydoc", "pycrdt",
          "ipykernel", "tornado")  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One tool call."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell as each subject needs it: some address by index, some by id."""

    path: str
    index: int
    id: str = ""


class Subject(ABC):
    """One server and its vocabulary. `executes`: whether it can run a cell without a browser."""

    name: str
    executes = True

    def __init__(self, server: Server) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return f"{self.server.url}mcp"

    @property
    def token(self) -> str | None:
        return self.server.token

    async def agent(self, path: str | None = None, era: str = STATEFUL) -> Agent:
        """Connect an agent, ready to work on `path`."""
        agent = await Agent(self.url, self.token, era).connect()
        if path is not None:
            await self.prepare(agent, path)
        return agent

    async def prepare(self, agent: Agent, path: str, *, execute: bool = False) -> None:  # noqa: B027 - most need nothing
        """Do what the subject needs before it works on a notebook; not measured."""

    @abstractmethod
    def read(self, cell: Cell) -> Call: ...

    @abstractmethod
    def insert(self, cell: Cell, source: str) -> Call: ...

    @abstractmethod
    def update(self, cell: Cell, source: str) -> Call: ...

    @abstractmethod
    def delete(self, cell: Cell) -> Call: ...

    @abstractmethod
    def whole(self, path: str) -> Call: ...

    @abstractmethod
    def execute(self, cell: Cell, timeout: float) -> Call: ...


class JupyterMcp(Subject):
    name = OURS

    @property
    def floor_url(self) -> str:
        """The empty tool behind the same bridge, in the same process."""
        return f"{self.server.url}floor"

    def read(self, cell: Cell) -> Call:
        return Call("get_cell", {"path": cell.path, "index": cell.index})

    def read_by_id(self, cell: Cell) -> Call:
        return Call("get_cell", {"path": cell.path, "cell_id": cell.id})

    def insert(self, cell: Cell, source: str) -> Call:
        return Call("insert_cell", {"path": cell.path, "index": cell.index, "source": source})

    def update(self, cell: Cell, source: str) -> Call:
        return Call("update_cell", {"path": cell.path, "index": cell.index, "source": source})

    def delete(self, cell: Cell) -> Call:
        return Call("delete_cell", {"path": cell.path, "index": cell.index})

    def whole(self, path: str) -> Call:
        return Call("get_notebook", {"path": path})

    def execute(self, cell: Cell, timeout: float) -> Call:
        return Call("execute_cell", {"path": cell.path, "index": cell.index, "timeout": timeout})


class JupyterMcpServer(Subject):
    """Datalayer's, as an extension of the Jupyter server. It keeps a table of notebooks 'in use'."""

    name = "jupyter-mcp-server"

    async def prepare(self, agent: Agent, path: str, *, execute: bool = False) -> None:
        arguments = {"notebook_name": path, "notebook_path": path, "mode": "connect"}
        if execute:
            arguments["kernel_id"] = "NEW"
        await agent.call("use_notebook", arguments)

    def read(self, cell: Cell) -> Call:
        return Call("read_cell", {"notebook_name": cell.path, "cell_index": cell.index})

    def insert(self, cell: Cell, source: str) -> Call:
        arguments = {"cell_index": cell.index, "cell_type": "code", "cell_source": source}
        return Call("insert_cell", {"notebook_name": cell.path, **arguments})

    def update(self, cell: Cell, source: str) -> Call:
        arguments = {"notebook_name": cell.path, "cell_index": cell.index, "cell_source": source}
        return Call("overwrite_cell_source", arguments)

    def delete(self, cell: Cell) -> Call:
        return Call("delete_cell", {"notebook_name": cell.path, "cell_indices": [cell.index]})

    def whole(self, path: str) -> Call:
        arguments = {"response_format": "detailed", "start_index": 0, "limit": 0}
        return Call("read_notebook", {"notebook_name": path, **arguments})

    def execute(self, cell: Cell, timeout: float) -> Call:
        return Call("execute_cell", {"cell_index": cell.index, "timeout": int(timeout)})


class JupyterServerMcp(Subject):
    """jupyter-server-mcp with the tools of jupyter-ai-tools, on a port of its own, without a token."""

    name = "jupyter-server-mcp"
    executes = False  # it runs cells only through a browser tab

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._port = free_port()
        names = ("read_notebook", "read_cell", "insert_cell", "delete_cell", "edit_cell")
        tools = [f"--MCPExtensionApp.mcp_tools=jupyter_ai_tools.toolkits.notebook:{name}" for name in names]
        server.options += (f"--MCPExtensionApp.mcp_port={self._port}", *tools)

    @property
    def url(self) -> str:
        return f"http://localhost:{self._port}/mcp"

    @property
    def token(self) -> None:
        return None

    def read(self, cell: Cell) -> Call:
        return Call("read_cell", {"file_path": cell.path, "cell_id": cell.id})

    def insert(self, cell: Cell, source: str) -> Call:
        return Call("insert_cell", {"file_path": cell.path, "content": source, "insert_index": cell.index})

    def update(self, cell: Cell, source: str) -> Call:
        return Call("edit_cell", {"file_path": cell.path, "cell_id": cell.id, "content": source})

    def delete(self, cell: Cell) -> Call:
        return Call("delete_cell", {"file_path": cell.path, "cell_id": cell.id})

    def whole(self, path: str) -> Call:
        return Call("read_notebook", {"file_path": path})

    def execute(self, cell: Cell, timeout: float) -> Call:
        raise SpecError(f"{self.name} can't run {cell.path} within {timeout:g} s: it needs a browser tab.")


class JupyterMcpLive(Subject):
    """jupyter-mcp-live, with the tools that its README names. What it lists are FastMCP's tools for scripts; it takes
    calls of its own tools by their names as well, which is the shorter way."""

    name = "jupyter-mcp-live"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        names = ("setup_notebook", "execute_cell", "add_code_cell", "edit_code_cell", "delete_cell", "view_notebook",
                 "read_cell")  # fmt: skip
        server.options += tuple(
            f"--MCPExtensionApp.mcp_tools=jupyter_mcp_live.execution_tools:{name}" for name in names
        )

    async def prepare(self, agent: Agent, path: str, *, execute: bool = False) -> None:  # noqa: ARG002 - it edits on a kernel
        await agent.call("setup_notebook", {"notebook_path": path})

    def read(self, cell: Cell) -> Call:
        return Call("read_cell", {"notebook_path": cell.path, "position_index": cell.index})

    def insert(self, cell: Cell, source: str) -> Call:
        return self._code("add_code_cell", cell, source)

    def update(self, cell: Cell, source: str) -> Call:
        return self._code("edit_code_cell", cell, source)

    def _code(self, tool: str, cell: Cell, source: str) -> Call:
        where = {"notebook_path": cell.path, "position_index": cell.index}
        return Call(tool, {**where, "source": source, "execute": False})

    def delete(self, cell: Cell) -> Call:
        return Call("delete_cell", {"notebook_path": cell.path, "position_index": cell.index})

    def whole(self, path: str) -> Call:
        return Call("view_notebook", {"notebook_path": path})

    def execute(self, cell: Cell, timeout: float) -> Call:  # noqa: ARG002 - it takes none
        return Call("execute_cell", {"notebook_path": cell.path, "position_index": cell.index})


PEERS: dict[str, type[Subject]] = {one.name: one for one in (JupyterMcpServer, JupyterServerMcp, JupyterMcpLive)}


def names() -> list[str]:
    return [OURS, *tomllib.loads(SPEC.read_text())["peers"]]


def make(name: str, venvs: Path, home: Path) -> Subject:
    """Make a subject, and its environment if it is a peer; its server is not started yet."""
    if name == OURS:
        options = ("--ServerApp.jpserver_extensions={'benchmark_floor': True}",)
        return JupyterMcp(Server(Path(sys.executable), home, options))
    peers = tomllib.loads(SPEC.read_text())["peers"]
    if name not in peers or name not in PEERS:
        raise SpecError(f"No subject {name!r}; there are {', '.join(names())}.")
    return PEERS[name](Server(_environment(venvs / name, peers[name]["packages"]), home))


def _environment(folder: Path, packages: list[str]) -> Path:
    """Make a peer's virtual environment once for each content of its spec; gives its interpreter."""
    ours = json.loads(_run(sys.executable, "-m", "uv", "pip", "list", "--format", "json", "-p", sys.executable))
    versions = {one["name"]: one["version"] for one in ours}
    packages = [*packages, *(f"{name}=={versions[name]}" for name in COMMON)]
    wanted = [f"python {sys.version}", *packages]
    python = folder / "bin" / "python"
    stamp = folder / "packages.json"
    if not stamp.is_file() or json.loads(stamp.read_text()) != wanted:
        print(f"making {folder.name}'s environment", flush=True)
        _run(sys.executable, "-m", "uv", "venv", "-q", "--clear", "-p", sys.executable, str(folder))
        _run(sys.executable, "-m", "uv", "pip", "install", "-q", "-p", str(python), *packages)
        stamp.write_text(json.dumps(wanted))
    return python


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(command[1:4])} failed: {done.stderr[-1500:]}")
    return done.stdout
