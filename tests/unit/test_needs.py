"""The end of a run says, in one line each, what this machine lacks."""

from __future__ import annotations

import pytest

from tests.support.needs import lacks, require, summary


def test_each_missing_thing_is_counted_in_one_line() -> None:
    reasons = [
        "Skipped: needs nginx: apt-get install nginx-light",
        "needs nginx: apt-get install nginx-light",
        "Skipped: needs sshd: apt-get install openssh-server",
        "takes minutes: run it with --slow",
    ]
    assert summary(reasons) == [
        "2 tests skipped for want of nginx: apt-get install nginx-light",
        "1 test skipped for want of sshd: apt-get install openssh-server",
    ]


def test_a_machine_with_everything_is_told_nothing() -> None:
    assert summary(["takes minutes: run it with --slow"]) == []


def test_the_reason_of_a_skip_is_one_that_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    why = lacks("chromium")
    assert why is not None
    assert summary([why]) == ["1 test skipped for want of chromium: apt-get install chromium"]
    with pytest.raises(pytest.skip.Exception, match="needs chromium"):
        require("chromium")
