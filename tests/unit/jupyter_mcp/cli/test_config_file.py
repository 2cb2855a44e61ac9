"""A client's file gets one entry: all else stays, and what can't be changed safely is left alone."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jupyter_mcp.cli import config_file, jsonc
from jupyter_mcp.cli.config_file import merged
from jupyter_mcp.cli.errors import BadFileError, CantWriteError
from jupyter_mcp.client_formats import CLIENTS, Http, Program

HTTP = Http("http://h/mcp", "T")
PROGRAM = Program("/bin/jupyter-mcp", ["stdio"], {})
ALL = pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))
CODEX = CLIENTS["codex"]
TOML = """\
model = "m" # the good one

[mcp_servers.other]
url = "http://x"

[mcp_servers.jupyter] # ours
command = "old"
args = [
  "a",  # [not.a.table]
]
tool_timeout_sec = 60

[mcp_servers.jupyter.env]
A = "1"

# of the profile
[profiles.x]
model = "n"
"""


def value(client: Any, text: str) -> Any:
    return tomllib.loads(text) if client.toml else jsonc.parse(text).value


def entry(client: Any, text: str) -> Any:
    found = value(client, text)
    for key in (*client.keys, "jupyter"):
        found = found[key]
    return found


@ALL
def test_a_new_file_an_empty_one_and_one_that_has_it_get_the_entry(client: Any) -> None:
    program = client.program(PROGRAM)
    for text in ("", "\n"):
        new = merged(client, text, program)
        assert entry(client, new) == program
        assert merged(client, new, program) == new
    assert value(client, client.text(program)) == value(client, merged(client, "", program))


@ALL
def test_an_entry_is_exchanged_for_one_of_the_other_kind_and_a_persons_keys_stay(client: Any) -> None:
    if client.http is None:
        pytest.skip("it starts programs only")
    program, http = client.program(PROGRAM), client.http(HTTP)
    there = merged(client, "", {**program, "mine": "kept"})
    assert entry(client, merged(client, there, http)) == {**http, "mine": "kept"}
    assert entry(client, merged(client, merged(client, there, http), program)) == {**program, "mine": "kept"}


def test_codexs_tables_keep_their_remarks_and_order() -> None:
    new = merged(CODEX, TOML, CODEX.program(Program("new", ["stdio"], {"B": "2"})))
    assert tomllib.loads(new)["mcp_servers"]["jupyter"] == {
        "command": "new",
        "args": ["stdio"],
        "env": {"B": "2"},
        "tool_timeout_sec": 60,
    }
    for line in ("# the good one", "# ours", "# of the profile", "[profiles.x]", 'url = "http://x"'):
        assert line in new
    assert "[mcp_servers.jupyter.env]" not in new


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = { jupyter = { command = "x" } }',
        'mcp_servers.jupyter.command = "x"',
        '[mcp_servers]\njupyter = { command = "x" }',
        "[mcp_servers.jupyter\n",
        'text = """\n[mcp_servers.jupyter]\n"""\n[mcp_servers]\njupyter.command = "x"\n',
    ],
)
def test_a_toml_file_of_another_form_is_refused_and_never_broken(text: str) -> None:
    with pytest.raises(BadFileError):
        merged(CODEX, text, CODEX.program(PROGRAM))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"mcpServers": []}', '{"mcpServers": {"a": 1, "a": 2}}', "null", "[" * 9999]
)
def test_a_json_file_that_has_no_place_for_it_is_refused(text: str) -> None:
    client = CLIENTS["claude-code"]
    with pytest.raises(BadFileError):
        merged(client, text, client.program(PROGRAM))


def test_an_entry_that_is_no_object_is_replaced() -> None:
    client = CLIENTS["cursor"]
    assert entry(client, merged(client, '{"mcpServers": {"jupyter": null}}', client.program(PROGRAM))) == (
        client.program(PROGRAM)
    )


def test_a_file_is_written_whole_through_a_link_with_its_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "mcp.json", tmp_path / "mcp.json"
    real.parent.mkdir()
    real.write_text("{}")
    real.chmod(0o640)
    link.symlink_to(real)
    config_file.write(link, b"{}", '{"a": 1}', secret=False)
    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"a": 1}
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    config_file.write(link, real.read_bytes(), "{}", secret=True)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert sorted(path.name for path in real.parent.iterdir()) == ["mcp.json"]


def test_a_new_file_is_made_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    config_file.write(path, config_file.read(path), "{}", secret=False)
    assert path.read_text() == "{}"


def test_a_file_that_somebody_changed_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("theirs")
    with pytest.raises(CantWriteError, match="changed meanwhile"):
        config_file.write(path, b"what I read", "mine", secret=False)
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["folder", "pipe", "bytes"])
def test_what_is_no_text_file_is_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(BadFileError):
        config_file.decoded(path, config_file.read(path))
