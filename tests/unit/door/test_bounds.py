"""The two ends of what pyproject.toml allows: what is asked of uv for an environment of each."""

from __future__ import annotations

import sys
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from door import environments
from door.bounds import LOWEST, NEWEST, ROOMS
from door.environments import Environments, Kind
from door.errors import EnvironmentMakingError

ROOT = Path(__file__).parents[3]
# Writes down what it was asked, and makes an environment whose Python is this one.
UV = f"""#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/bin"; ln -s {sys.executable} "$folder/bin/python" ;;
*) if [ -e "$(dirname "$0")/broken" ]; then echo "no solution found" >&2; exit 1; fi ;;
esac
"""


class Checkout:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "env" / "locks").mkdir(parents=True)
        (root / "pyproject.toml").write_text("a")
        (root / "uv").write_text(UV)
        (root / "uv").chmod(0o755)
        self.environments = Environments(root, sys.executable, str(root / "uv"))

    def asked(self, kind: Kind) -> list[str]:
        with self.environments.ready(kind):
            pass
        path = self.root / "asked"
        lines = path.read_text().splitlines()
        path.write_text("")
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_only_the_projects_own_requirements_are_lowered(checkout: Checkout) -> None:
    _, lowered, beside = checkout.asked(LOWEST)
    assert "--resolution lowest-direct" in lowered
    assert "-r pyproject.toml" in lowered
    assert "--group" not in lowered
    assert "--group pyproject.toml:beside" in beside
    assert "lowest" not in beside.partition("--constraint")[0].replace("/lowest-", "")


def test_what_the_tests_need_raises_no_floor(checkout: Checkout) -> None:
    *_, beside = checkout.asked(LOWEST)
    constraints = Path(beside.partition("--constraint ")[2].split()[0])
    assert any(line.startswith("pytest==") for line in constraints.read_text().splitlines())


def test_only_the_rooms_are_tried_before_they_are_released(checkout: Checkout) -> None:
    _, newest = checkout.asked(NEWEST)
    assert "--prerelease" not in newest
    assert {word.partition(">=")[0] for word in newest.split() if word.endswith(".dev0")} == set(ROOMS)


def test_the_lowest_are_resolved_again_only_when_the_project_asks_for_others(checkout: Checkout) -> None:
    assert checkout.asked(LOWEST)
    assert checkout.asked(LOWEST) == []
    (checkout.root / "pyproject.toml").write_text("b")
    assert checkout.asked(LOWEST)


def test_the_newest_are_resolved_again_each_day(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout.asked(NEWEST)
    assert checkout.asked(NEWEST) == []

    class Tomorrow(datetime):
        def __format__(self, spec: str) -> str:
            return "tomorrow"

    monkeypatch.setattr(environments, "datetime", Tomorrow)
    assert checkout.asked(NEWEST)


def test_bounds_that_nothing_answers_are_told(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout.root / "broken").touch()
    with pytest.raises(EnvironmentMakingError, match="lowest"):
        checkout.asked(LOWEST)
    assert "no solution found" in capsys.readouterr().err


def test_every_dependency_of_the_extension_has_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"]:
        assert any(one.operator == ">=" for one in Requirement(line).specifier), line
