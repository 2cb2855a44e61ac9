"""What MCP's registry is told: by its published schema (2025-12-11), and true."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from jupyter_mcp.cli import main

ROOT = Path(__file__).parents[2]
TOLD: dict[str, Any] = json.loads((ROOT / "server.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_its_form_is_that_of_the_schema() -> None:
    assert TOLD["$schema"].endswith("/schemas/2025-12-11/server.schema.json")
    assert set(TOLD) <= {"$schema", "name", "title", "description", "version", "packages"}
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", TOLD["name"])
    assert 1 <= len(TOLD["description"]) <= 100
    assert 1 <= len(TOLD["title"]) <= 100
    (package,) = TOLD["packages"]
    assert {"registryType", "identifier", "transport"} <= set(package)
    assert set(package) <= {
        *("registryType", "identifier", "version", "runtimeHint", "transport", "packageArguments"),
        "environmentVariables",
    }
    assert package["transport"] == {"type": "stdio"}
    for argument in package["packageArguments"]:
        assert argument["type"] in ("positional", "named")
        assert ("name" in argument) is (argument["type"] == "named")
        assert argument.get("value") or argument["type"] == "named"
    for variable in package["environmentVariables"]:
        assert variable["name"].isidentifier()


def test_it_is_about_this_distribution_and_its_program_takes_the_arguments() -> None:
    (package,) = TOLD["packages"]
    assert (TOLD["version"], package["version"]) == (PROJECT["version"], PROJECT["version"])
    # A runner like uvx starts the program of the distribution's name.
    assert package["identifier"] == PROJECT["name"]
    assert PROJECT["scripts"][PROJECT["name"]] == PROJECT["scripts"]["jupyter-mcp"] == "jupyter_mcp.cli.main:main"
    words = [str(one.get("value") or one["name"]) for one in package["packageArguments"]]
    options = main.parser().parse_args([*words, str(ROOT)])
    assert (options.command, options.folder) == ("stdio", ROOT)


def test_the_page_on_the_index_proves_whose_it_is() -> None:
    assert f"mcp-name: {TOLD['name']}" in (ROOT / "docs" / "pypi.md").read_text()
