"""`./noxw -s lab`: one token for a checkout, and what is said once JupyterLab answers."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from threading import Thread

import pytest

from door.lab import announcement, kept_token

INFO = {"url": "http://127.0.0.1:8890/base/", "token": "abc", "port": 8890}


def test_the_token_is_the_same_at_each_start_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "token"
    token = kept_token(path).read_text()
    assert len(token) > 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_token(path).read_text() == token
    assert [one.name for one in path.parent.iterdir()] == ["token"]


def test_of_first_starts_at_once_all_have_the_same_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    found: list[str] = []
    threads = [Thread(target=lambda: found.append(kept_token(path).read_text())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_could_read_is_replaced(
    tmp_path: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_text("known")
    path.chmod(mode)
    assert kept_token(path).read_text() != "known"
    assert "is replaced" in capsys.readouterr().err


def test_an_empty_token_and_a_link_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").touch(0o600)
    assert kept_token(tmp_path / "empty").read_text()
    (tmp_path / "known").write_text("known")
    (tmp_path / "known").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "known")
    assert kept_token(tmp_path / "link").read_text() != "known"
    assert (tmp_path / "known").read_text() == "known"


def test_the_last_line_is_what_an_mcp_client_reads() -> None:
    lines = announcement(INFO, private=True)
    assert lines[0] == "JupyterLab: http://127.0.0.1:8890/base/lab?token=abc"
    assert json.loads(lines[-1]) == {
        "mcpServers": {
            "jupyter": {
                "type": "http",
                "url": "http://127.0.0.1:8890/base/mcp",
                "headers": {"Authorization": "Bearer abc"},
            }
        }
    }


def test_a_log_gets_no_token() -> None:
    lines = announcement(INFO, private=False)
    assert "abc" not in "".join(lines)
    assert json.loads(lines[-1])["mcpServers"]["jupyter"]["headers"] == {"Authorization": "Bearer ${JUPYTER_TOKEN}"}


def test_a_server_without_a_token_needs_no_header() -> None:
    assert "headers" not in json.loads(announcement({**INFO, "token": ""}, private=True)[-1])["mcpServers"]["jupyter"]
