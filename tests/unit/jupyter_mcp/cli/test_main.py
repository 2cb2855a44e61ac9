"""The command line: help that is there at once, clients connected, codes that say what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mcp.cli import errors, main
from jupyter_mcp.cli.errors import CliError
from jupyter_mcp.client_formats import CLIENTS
from tests.support.runtime import environment, run, runtime_file

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "command-line.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'fastmcp', 'mcp', 'jupyter_server', 'tornado', 'pydantic', 'httpx2', 'traitlets'}"
    code = (
        "import sys; from jupyter_mcp.cli import main, stdio, connecting, listing; main.parser(); "
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [[], ["list"], ["connect"], ["stdio"]])
def test_help_teaches(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "exit codes: " in told
    assert "jupyter mcp" in told


def test_every_code_is_in_the_help_and_in_the_reference() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CliError)]
    for code in {kind.exit_code for kind in kinds} - {1}:
        assert re.search(rf"\b{code} ", main._CODES.replace("\n", " "))
        assert re.search(rf"\b{code} ", REFERENCE.read_text().partition("## `jupyter mcp`")[2]), code


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_connected_once_and_for_good(client: str, project: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    home = {"HOME": str(tmp_path / "home"), "CODEX_HOME": "", "XDG_CONFIG_HOME": ""}
    done = run(runtime, "connect", client, "--write", cwd=project, **home)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    path = Path(re.findall(r"is connected: (.*)", done.stderr)[0])
    assert path.is_relative_to(tmp_path)
    first = path.read_text()
    assert "stdio" in first
    assert "not yet: No running Jupyter server" in done.stderr
    again = run(runtime, "connect", client, "--write", cwd=project, **home)
    assert "has it already" in again.stderr
    assert path.read_text() == first
    assert run(runtime, "connect", client, cwd=project, **home).stdout == first


def test_a_configuration_holds_a_token_only_if_asked_and_then_for_its_owner_alone(
    project: Path, tmp_path: Path
) -> None:
    runtime = tmp_path / "runtime"
    runtime_file(runtime, 7, project)
    words = ("connect", "claude", "--server", "http://localhost:7/", "--http")
    plain = run(runtime, *words, cwd=project)
    entry = json.loads(plain.stdout)["mcpServers"]["jupyter"]
    assert entry == {
        "type": "http",
        "url": "http://127.0.0.1:7/mcp",
        "headers": {"Authorization": "Bearer ${JUPYTER_TOKEN}"},
    }
    assert run(runtime, *words, "--show-token", "--write", cwd=project).returncode == 0
    written = project / ".mcp.json"
    assert "the-token" in written.read_text()
    assert written.stat().st_mode & 0o077 == 0
    assert "the-token" not in plain.stdout + plain.stderr


def test_a_server_on_another_machine_is_told_by_its_address(project: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "runtime", "connect", "codex", "--server", "https://hub/user/ada/lab", cwd=project)
    assert done.stdout == (
        '[mcp_servers.jupyter]\nurl = "https://hub/user/ada/mcp"\nbearer_token_env_var = "JUPYTER_TOKEN"\n'
    )


def test_a_file_that_can_not_be_read_is_left_and_what_belongs_in_it_is_shown(project: Path, tmp_path: Path) -> None:
    file = project / ".mcp.json"
    file.write_text('{"mcpServers": ')
    done = run(tmp_path / "runtime", "connect", "claude-code", "--write", cwd=project)
    assert done.returncode == 65
    assert "is left as it is: it can't be read: line 1" in done.stderr
    assert '"jupyter"' in done.stderr
    assert file.read_text() == '{"mcpServers": '


def test_opencodes_file_with_remarks_is_taken_where_it_is_there(project: Path, tmp_path: Path) -> None:
    (project / "opencode.jsonc").write_text("{\n  // mine\n}\n")
    assert run(tmp_path / "runtime", "connect", "opencode", "--write", cwd=project).returncode == 0
    assert "// mine" in (project / "opencode.jsonc").read_text()
    assert not (project / "opencode.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["connect", "emacs"], 2, "it is one of claude-code, "),
        (["connect", "zed", "--server", "http://x/"], 2, "add --show-token"),
        (["connect", "claude-desktop", "--server", "http://x/"], 2, "only starts programs"),
        (["connect", "vscode", "--scope", "user"], 2, "no file of a user"),
        (["connect", "cursor", "--http"], 69, "start one there with `jupyter lab`"),
        (["connect", "cursor", "--server", "ftp://x"], 2, "--server takes"),
        (["stdio"], 69, "start one there with `jupyter lab`"),
        (["stdio", "--folder", "nowhere"], 2, "is not a folder"),
        (["stdio", "--server", "http://127.0.0.1:1/"], 69, "No Jupyter server answers at http://127.0.0.1:1/"),
        ([], 2, "COMMAND"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_line_with_its_code(
    words: list[str], code: int, said: str, project: Path, tmp_path: Path
) -> None:
    done = run(tmp_path / "runtime", *words, cwd=project)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_that_can_not_be_written_is_told(project: Path, tmp_path: Path) -> None:
    (project / ".cursor").write_text("a file")
    done = run(tmp_path / "runtime", "connect", "cursor", "--write", cwd=project)
    assert done.returncode in (65, 74)
    assert "jupyter mcp: " in done.stderr


def test_a_reader_that_has_enough_is_no_fault(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mcp.cli.main", "list", "--json"],
        env=environment(tmp_path / "runtime"),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "Traceback" not in done.stderr
