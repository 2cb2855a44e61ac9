"""The command line of ./noxw: what is asked, and what is told of a mistake."""

from __future__ import annotations

import pytest

from door import main as door_main
from door.main import chosen, main
from door.sessions import Door

DOORS = {
    "lab": Door("lab", "Start JupyterLab: -- [options].\n\nMore of it.", None, " [-- OPTIONS]"),
    "build-image": Door("build-image", "Build images.", ("images", "build"), ""),
}


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_main, "doors", lambda: DOORS)

    def refused(_words: object) -> int:
        raise AssertionError("nox was started")

    monkeypatch.setattr(door_main, "_nox", refused)


@pytest.mark.parametrize(
    ("line", "sessions"),
    [
        ("-s lint", ["lint"]),
        ("-s lint tests -v", ["lint", "tests"]),
        ("--session=lint --verbose -s tests", ["lint", "tests"]),
        ("-slint", ["lint"]),
        ("-k lint", []),
        ("", []),
    ],
)
def test_the_sessions_are_found_as_nox_finds_them(line: str, sessions: list[str]) -> None:
    assert chosen(line.split()) == sessions


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-s biuld-image", "did you mean ./noxw -s build-image?"),
        ("-s quite-other", "./noxw --help lists them"),
        ("lab", "run ./noxw -s lab"),
        ("-s lab lba -- --port 1", "no session 'lba'"),
    ],
)
def test_a_mistake_is_told_with_what_was_meant(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    output, error = capsys.readouterr()
    assert told in error
    assert not output


@pytest.mark.parametrize("line", ["--help", "-h", ""])
def test_help_lists_the_sessions_and_so_does_no_word_at_all(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    page = capsys.readouterr().out
    assert "  lab          Start JupyterLab\n" in page
    assert "./noxw -s build-image" in page


@pytest.mark.parametrize("line", ["-s lab -- --help", "-s lab --help", "-s lab -- -h"])
def test_a_sessions_help_is_what_it_does(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    assert "usage: ./noxw -s lab [-- OPTIONS]\n\nStart JupyterLab" in capsys.readouterr().out
