"""A real MCP client that is not ours: the inspector's command line against a real Jupyter server with its token."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import Server
from tests.support.needs import reason

from .errors import SuiteError
from .suites import MODULES, node

INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
TOOLS = {
    "close_notebook_session",
    "create_notebook",
    "delete_cell",
    "execute_cell",
    "get_active_sessions",
    "get_active_users",
    "get_cell",
    "get_notebook",
    "insert_cell",
    "list_notebooks",
    "open_notebook_session",
    "update_cell",
    "watch_notebook",
}


@pytest.fixture(scope="module")
def node_binary() -> Path:
    try:
        return node()
    except SuiteError:
        pytest.skip(reason("the MCP inspector", "run `./noxw -s conformance`, which installs it"))


@pytest.fixture(scope="module")
def server(node_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert node_binary
    running = Server(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")).start()
    yield running
    running.stop()


def inspect(node_binary: Path, server: Server, *options: str, token: str | None = None) -> Any:
    """Run the inspector once, as a person types it; gives the JSON it prints."""
    header = f"Authorization: Bearer {server.token if token is None else token}"
    command = [
        str(node_binary),
        str(INSPECTOR),
        "--cli",
        server.mcp,
        "--transport",
        "http",
        "--header",
        header,
        *options,
    ]
    environment = {**os.environ, "HOME": str(server.home), "PATH": f"{node_binary.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def call(node_binary: Path, server: Server, tool: str, **arguments: Any) -> Any:
    pairs = [word for key, value in arguments.items() for word in ("--tool-arg", f"{key}={value}")]
    reply = inspect(node_binary, server, "--method", "tools/call", "--tool-name", tool, *pairs)
    assert not reply.get("isError"), reply
    return reply["structuredContent"]


def test_the_inspector_lists_the_thirteen_tools(node_binary: Path, server: Server) -> None:
    listed = inspect(node_binary, server, "--method", "tools/list")["tools"]
    assert {tool["name"] for tool in listed} >= TOOLS
    assert all(tool["annotations"] for tool in listed)
    assert all(tool["outputSchema"] for tool in listed if tool["name"] in TOOLS)


def test_the_inspector_creates_fills_and_runs_a_notebook(node_binary: Path, server: Server) -> None:
    made = call(node_binary, server, "create_notebook", path="inspected/by hand.ipynb")
    assert made["path"] == "inspected/by hand.ipynb"
    path = made["path"]
    inserted = call(node_binary, server, "insert_cell", path=path, index=0, source="print(6 * 7)")
    assert inserted["result"] == "Cell inserted at index 0"
    outputs = call(node_binary, server, "execute_cell", path=path, index=0)["result"]
    assert [(one["type"], one["content"]["text"]) for one in outputs] == [("stream", "42\n")]
    cell = call(node_binary, server, "get_cell", path=path, index=0)
    assert (cell["source"], cell["execution_count"]) == ("print(6 * 7)", 1)


def test_the_inspector_is_shown_the_error_of_a_tool(node_binary: Path, server: Server) -> None:
    options = ("--method", "tools/call", "--tool-name", "get_cell", "--tool-arg", "path=none.ipynb", "index=0")
    with pytest.raises(AssertionError, match=r"none\.ipynb"):
        inspect(node_binary, server, *options)


def test_the_inspector_is_refused_with_another_token(node_binary: Path, server: Server) -> None:
    with pytest.raises(AssertionError, match="auth_required"):  # its word for HTTP 401
        inspect(node_binary, server, "--method", "tools/list", token="wrong")
