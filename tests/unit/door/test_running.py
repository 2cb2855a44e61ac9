"""A session's programs: what they end with is what ./noxw ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from door import running
from door.environments import Environment, Environments


class QuitError(Exception):
    """What nox raises when a session fails."""


class Session:
    def log(self, message: str) -> None:
        sys.stderr.write(message)

    def error(self, message: str) -> NoReturn:
        raise QuitError(message)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path, os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR))


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 40", 40), ("kill -9 $$", 137)])
def test_a_programs_exit_code_is_passed_on(environment: Environment, script: str, code: int) -> None:
    assert running.call(environment, ("sh", "-c", script), {}) == code


def test_its_streams_stay_apart(environment: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    running.call(environment, ("sh", "-c", "echo result; echo progress >&2"), {})
    assert capfd.readouterr() == ("result\n", "progress\n")


def test_a_program_that_is_not_there_is_told(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    assert running.call(environment, ("no-such-program",), {}) == 127
    assert "no-such-program is not installed" in capsys.readouterr().err


def test_sigterm_reaches_the_program(environment: Environment, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)

    def end() -> None:
        ready.read_text()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    script = f"trap 'exit 7' TERM; echo > {ready}; while :; do sleep 0.05; done"
    assert running.call(environment, ("sh", "-c", script), {}) == 7
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_sigterm_before_there_is_a_program_reaches_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def popen(*words: object, **options: object) -> object:
        signal.raise_signal(signal.SIGTERM)
        return subprocess.Popen(*words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(running, "subprocess", SimpleNamespace(Popen=popen))
    assert running.call(environment, ("sleep", "60"), {}) == 128 + signal.SIGTERM


def test_what_nohup_ignores_stays_ignored(environment: Environment) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert running.call(environment, ("sh", "-c", "kill -HUP $$; kill -HUP $PPID; exit 5"), {}) == 5
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_failure_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    @contextmanager
    def ready(*_: object, **__: object) -> Iterator[Environment]:
        yield environment

    monkeypatch.setattr(Environments, "ready", ready)
    monkeypatch.setattr(running, "failures", [])
    for code in (41, 42):
        with pytest.raises(QuitError, match=f"exit code {code}"):
            running.run(Session(), running.TOOLS, ("true",), ("sh", "-c", f"exit {code}"), ("sh", "-c", "exit 99"))
    assert running.failures == [41, 42]
