"""The environments of the sessions: kept, shared, and never changed under a running program."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from door.environments import KEPT_DAYS, LAB, TOOLS, Environments
from door.errors import EnvironmentMakingError

# Does of uv what matters here, and writes down what it was asked.
UV = """#!/bin/sh
echo "$1 $2" >> "$(dirname "$0")/asked"
case "$1 $2" in
"venv --quiet")
    for folder; do :; done
    mkdir -p "$folder/bin"
    cp "$(dirname "$0")/python" "$folder/bin/python" ;;
*)
    if [ -e "$(dirname "$0")/broken" ]; then echo "no route to host" >&2; exit 2; fi ;;
esac
"""
# Is the environment's Python, and so its hatchling.
PYTHON = """#!/bin/sh
for folder; do :; done
mkdir -p "$folder"
echo "build wheel" >> "$(dirname "$0")/../../../../asked"
touch "$folder/project.whl"
"""


class Checkout:
    """A checkout with small locks and sources, and a uv that installs nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("env/locks", "jupyter_mcp"):
            (root / name).mkdir(parents=True)
        self.change("env/locks/tools.txt", "a")
        self.change("env/locks/lab.txt", "a")
        self.change("jupyter_mcp/__init__.py", "a")
        for name, text in (("uv", UV), ("python", PYTHON)):
            self.change(name, text)
            (root / name).chmod(0o755)
        self.environments = Environments(root, sys.executable, str(root / "uv"))

    def change(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    @property
    def asked(self) -> list[str]:
        path = self.root / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_an_environment_is_made_once(checkout: Checkout) -> None:
    with checkout.environments.ready(TOOLS) as first:
        assert first.variables()["PATH"].startswith(f"{first.path}/bin:")
    asked = checkout.asked
    assert asked == ["venv --quiet", "pip install"]
    with checkout.environments.ready(TOOLS) as again:
        assert again.path == first.path
    assert checkout.asked == asked


def test_a_changed_lock_makes_another_beside_it(checkout: Checkout) -> None:
    with checkout.environments.ready(LAB) as old:
        checkout.change("env/locks/lab.txt", "b")
        with checkout.environments.ready(LAB) as new:
            assert new.path != old.path
            assert (old.path / "bin" / "python").exists()
    checkout.change("env/locks/lab.txt", "a")
    with checkout.environments.ready(LAB) as back:
        assert back.path == old.path
    assert checkout.asked.count("venv --quiet") == 2


def test_the_wheel_is_built_again_when_its_sources_changed(checkout: Checkout) -> None:
    for _ in range(2):
        with checkout.environments.ready(LAB, project=True) as first:
            pass
    assert checkout.asked == ["venv --quiet", "pip install", "build wheel", "pip install"]
    checkout.change("jupyter_mcp/new.py", "b")
    with checkout.environments.ready(LAB):
        pass
    assert checkout.asked.count("build wheel") == 1, "who needs no wheel waits for none"
    with checkout.environments.ready(LAB, project=True) as again:
        assert again.path == first.path
    assert checkout.asked.count("build wheel") == 2
    assert checkout.asked.count("venv --quiet") == 1


def test_what_runs_keeps_the_wheel_that_it_started_with(checkout: Checkout) -> None:
    with checkout.environments.ready(LAB, project=True) as running:
        stamp = (running.path / "made-from-sources").read_text()
        checkout.change("jupyter_mcp/__init__.py", "b")
        with checkout.environments.ready(LAB, project=True) as other:
            assert other.path != running.path
        assert (running.path / "made-from-sources").read_text() == stamp
        with checkout.environments.ready(LAB, project=True) as third:
            assert third.path == other.path


def test_a_program_that_outlives_us_holds_its_environment(checkout: Checkout) -> None:
    with checkout.environments.ready(LAB, project=True) as first:
        program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[first.handle])
    checkout.change("jupyter_mcp/__init__.py", "b")
    with checkout.environments.ready(LAB, project=True) as other:
        assert other.path != first.path
    program.communicate()
    checkout.change("jupyter_mcp/__init__.py", "c")
    with checkout.environments.ready(LAB, project=True) as again:
        assert again.path == first.path


def test_one_that_could_not_be_made_is_made_at_the_next_call(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout.root / "broken").touch()
    with pytest.raises(EnvironmentMakingError, match=r"\./noxw -s fetch"), checkout.environments.ready(TOOLS):
        pass
    assert "no route to host" in capsys.readouterr().err
    (checkout.root / "broken").unlink()
    with checkout.environments.ready(TOOLS) as made:
        assert (made.path / "bin" / "python").exists()
    assert checkout.asked.count("venv --quiet") == 2


def test_a_wheel_that_could_not_be_installed_is_no_wheel(checkout: Checkout) -> None:
    with checkout.environments.ready(LAB):
        pass
    (checkout.root / "broken").touch()
    with pytest.raises(EnvironmentMakingError), checkout.environments.ready(LAB, project=True):
        pass
    (checkout.root / "broken").unlink()
    with checkout.environments.ready(LAB, project=True) as made:
        assert (made.path / "made-from-sources").exists()
    assert checkout.asked.count("build wheel") == 2


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    with checkout.environments.ready(TOOLS) as first:
        pass
    (first.path / "bin" / "python").unlink()
    with checkout.environments.ready(TOOLS) as again:
        assert (again.path / "bin" / "python").exists()


def test_who_comes_at_the_same_time_gets_the_one_that_is_made(checkout: Checkout) -> None:
    paths, start = [], threading.Barrier(4)

    def use() -> None:
        start.wait()
        with checkout.environments.ready(TOOLS) as ready:
            paths.append(ready.path)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4
    assert len(set(paths)) == 1
    assert checkout.asked == ["venv --quiet", "pip install"]


def test_what_nobody_used_for_long_is_deleted_unless_it_is_in_use(checkout: Checkout) -> None:
    with checkout.environments.ready(LAB) as used, checkout.environments.ready(TOOLS) as unused:
        pass
    old = used.path.with_name(f"{used.path.name}.lock"), unused.path.with_name(f"{unused.path.name}.lock")
    with checkout.environments.ready(LAB):
        for path in old:
            os.utime(path, (0, path.stat().st_mtime - (KEPT_DAYS + 1) * 86_400))
        checkout.change("env/locks/tools.txt", "b")
        with checkout.environments.ready(TOOLS):
            assert used.path.exists()
            assert not unused.path.exists()


def test_without_uv_it_says_what_brings_it(checkout: Checkout) -> None:
    lacking = Environments(checkout.root, sys.executable, None)
    with pytest.raises(EnvironmentMakingError, match=r"run this as \./noxw"), lacking.ready(TOOLS):
        pass
