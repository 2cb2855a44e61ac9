"""The two ends of what pyproject.toml allows: what is asked of uv for an environment of each."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
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
venv) for folder; do :; done; mkdir -p "$folder/bin"
    # A link to it would be the Python that ours was made of, which need not have any package.
    printf '#!/bin/sh\nexec {sys.executable} "$@"\n' > "$folder/bin/python"; chmod +x "$folder/bin/python" ;;
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


def wheel(folder: Path, name: str, version: str) -> None:
    """Write an empty wheel."""
    stem = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{stem}-{version}-py3-none-any.whl", "w") as archive:
        about = f"{stem}-{version}.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def test_only_the_rooms_are_tried_before_they_are_released(checkout: Checkout) -> None:
    """As uv really resolves what it is asked: with a release and a pre-release of the rooms and of another package."""
    _, newest = checkout.asked(NEWEST)
    index = checkout.root / "index"
    index.mkdir()
    for name in (*ROOMS, "other"):
        wheel(index, name, "5.0")
        wheel(index, name, "5.1a0")
    asked = "".join(f'"{name}>=5,<6",' for name in (*ROOMS, "other"))
    (checkout.root / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "0"\ndependencies = [{asked}]\n[dependency-groups]\nbeside = []\n'
    )
    options = newest.split()[newest.split().index("--refresh") :]
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "--dry-run", "--system", "--break-system-packages", "--target", "t", *options]
    command += ["--no-index", "--find-links", str(index)]
    done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    taken = set(re.findall(r"\+ (\S+)==(\S+)", done.stderr))
    assert taken == {*((name, "5.1a0") for name in ROOMS), ("other", "5.0")}


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
