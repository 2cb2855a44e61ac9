"""What runs images comes with the checkout; a host that lets it do nothing is told how to allow it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from env.errors import ToolMissingError
from env.store.store import Store
from images.check.bubblewrap import VARIABLE, bubblewrap, way_out
from images.errors import SandboxError


@pytest.mark.parametrize(
    ("switch", "value", "told"),
    [
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_a_host_that_forbids_namespaces_is_told_the_switch(tmp_path: Path, switch: str, value: str, told: str) -> None:
    (tmp_path / switch).parent.mkdir(parents=True)
    (tmp_path / switch).write_text(f"{value}\n")
    assert told in str(SandboxError("setting up uid map: Permission denied", way_out(tmp_path)))


def test_a_host_that_allows_them_is_told_of_containers(tmp_path: Path) -> None:
    switch = tmp_path / "sys/kernel/apparmor_restrict_unprivileged_userns"
    switch.parent.mkdir(parents=True)
    switch.write_text("0\n")
    assert "seccomp" in way_out(tmp_path)


def test_an_installed_program_may_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "bwrap"
    monkeypatch.setenv(VARIABLE, str(own))
    store, console = Store(tmp_path / "store"), Console(file=io.StringIO())
    with pytest.raises(ToolMissingError, match=VARIABLE):
        bubblewrap(store, console)
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert bubblewrap(store, console) == (str(own),)
