"""Labels become addresses, and addresses become what each client reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastmcp.mcp_config import MCPConfig

from images.check.discover import CLIENTS, McpServer, client_config, from_variable, provided, to_variable
from images.cli.main import main
from images.errors import RecipeError
from images.recipe.recipe import load_recipe

LABELS = {name: text for part in load_recipe("jupyter").parts for name, text in part.part.config.labels.items()}
CONFIG = {"Labels": LABELS, "Env": ["PATH=/usr/bin"]}


def test_the_label_gives_the_containers_address() -> None:
    assert provided(CONFIG, "ov-jupyter", "image") == (McpServer(name="jupyter", url="http://ov-jupyter:8888/mcp"),)
    assert provided({"Labels": None}, "other", "image") == ()


def test_a_container_may_give_its_server_another_name() -> None:
    config = {**CONFIG, "Env": ["MCP_SERVER_NAME=notebooks"]}
    assert [one.name for one in provided(config, "c", "image")] == ["notebooks"]


def test_the_variable_survives_the_way_to_the_consumer_and_keeps_namesakes_apart() -> None:
    servers = [McpServer(name="jupyter", url=f"http://{host}:8888/mcp") for host in ("a", "b")]
    assert [one.name for one in from_variable(to_variable(servers))] == ["jupyter", "jupyter-2"]


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"name": "x"}]', '[{"name": "x", "url": "file:///etc"}]', "no"])
def test_another_value_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^OV_MCP_SERVERS"):
        from_variable(text)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_address_and_token(client: str) -> None:
    text = client_config(client, [McpServer(name="jupyter", url="http://ov-jupyter:8888/mcp")], "${TOKEN}")
    assert json.loads(text)
    assert "http://ov-jupyter:8888/mcp" in text
    assert "${TOKEN}" in text


def test_fastmcp_reads_its_configuration() -> None:
    text = client_config("fastmcp", [McpServer(name="jupyter", url="http://ov-jupyter:8888/mcp")], "secret")
    server = MCPConfig.from_dict(json.loads(text)).mcpServers["jupyter"]
    assert server.model_dump()["url"] == "http://ov-jupyter:8888/mcp"
    assert server.model_dump()["headers"] == {"Authorization": "Bearer secret"}


def test_inspected_containers_are_resolved_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect = tmp_path / "inspect.json"
    inspect.write_text(json.dumps([{"Name": "/ov-jupyter", "Config": CONFIG}, {"Name": "/web", "Config": {}}]))
    assert main(["discover", str(inspect)]) == 0
    variable = capsys.readouterr().out
    assert json.loads(variable) == [{"name": "jupyter", "url": "http://ov-jupyter:8888/mcp", "transport": "http"}]
    assert main(["discover", str(inspect), "--same-pod"]) == 0
    assert "http://localhost:8888/mcp" in capsys.readouterr().out
    monkeypatch.setenv("OV_MCP_SERVERS", variable)
    assert main(["discover", "--for", "claude"]) == 0
    assert json.loads(capsys.readouterr().out)["mcpServers"]["jupyter"]["type"] == "http"
    (tmp_path / "other.json").write_text("[]")
    assert main(["discover", str(tmp_path / "other.json")]) == 65
