"""`./noxw --python VERSION` runs everything in another Python, and says so where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from door import interpreters
from door.errors import UsageError
from door.interpreters import asked, found, start_again
from door.main import main
from door.sessions import Door

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("line", "wanted", "rest"),
    [
        ("--python 3.13 -s tests", "3.13", "-s tests"),
        ("-s tests --python=3.13", "3.13", "-s tests"),
        ("-p /usr/bin/python3 -s tests lint", "/usr/bin/python3", "-s tests lint"),
        ("-s tests", None, "-s tests"),
        ("-s tests --pythons 3.13", None, "-s tests --pythons 3.13"),
    ],
)
def test_the_option_is_taken_out_of_the_words(line: str, wanted: str | None, rest: str) -> None:
    assert asked(line.split()) == (wanted, rest.split())


@pytest.mark.parametrize("line", ["--python", "--python=", "--python -s tests"])
def test_an_option_without_a_value_is_told(line: str) -> None:
    with pytest.raises(UsageError, match="wants a version or a path"):
        asked(line.split())


def test_the_words_of_the_sessions_program_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def nox(words: list[str]) -> int:
        given.append(words)
        return 0

    monkeypatch.setattr("door.main.doors", lambda: {"run": Door("run", "Run a program.", None, "")})
    monkeypatch.setattr("door.main._nox", nox)
    assert main(["-s", "run", "--", "python", "--python", "3.99"]) == 0
    assert given == [["-s", "run", "--", "python", "--python", "3.99"]]


def test_a_path_is_taken_as_it_is_and_a_version_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found(sys.executable) == sys.executable
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\nfor last; do :; done\n[ "$last" = 3.77 ] && echo "{sys.executable}"\n')
    uv.chmod(0o755)
    monkeypatch.setattr(interpreters, "UV", str(uv))
    assert found("3.77") == sys.executable
    with pytest.raises(UsageError, match=r"there is no Python 3\.78 here: install it"):
        found("3.78")
    monkeypatch.setattr(interpreters, "UV", None)
    with pytest.raises(UsageError, match="there is no Python"):
        found("3.77")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("#!/bin/sh\necho False\n", "is no Python 3.11 or later"),
        ("#!/bin/false\n", "is no Python"),
        (None, "can't be run"),
    ],
)
def test_what_is_no_python_of_ours_is_refused(content: str | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "python"
    if content is not None:
        path.write_text(content)
        path.chmod(0o755)
    with pytest.raises(UsageError, match=told):
        found(str(path))


def test_noxw_is_started_again_in_the_other_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[tuple[Path, list[str], str]] = []

    def become(program: Path, words: list[str], settings: dict[str, str]) -> None:
        started.append((program, words, settings["PYTHON"]))

    monkeypatch.setattr(os, "execve", become)
    start_again(tmp_path / "noxw", "/opt/python3.99", ["-s", "tests", "--", "-k", "a b"])
    assert started == [
        (tmp_path / "noxw", [str(tmp_path / "noxw"), "-s", "tests", "--", "-k", "a b"], "/opt/python3.99")
    ]
    start_again(tmp_path / "noxw", str(getattr(sys, "_base_executable", sys.executable)), ["-s", "tests"])
    assert len(started) == 1


def test_the_command_line_ends_with_a_line_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--python", "3.999", "-s", "tests"]) == 2
    assert "there is no Python 3.999 here" in capsys.readouterr().err


def test_uv_finds_the_python_that_is_here() -> None:
    if interpreters.UV is None:
        pytest.skip("no uv here")
    done = subprocess.run([found(HERE), "-V"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Python {HERE}")
