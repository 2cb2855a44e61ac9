"""One version in every place, and one command that writes it."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from env.errors import SpecError
from env.spec import ROOT, Tree, project_version
from release.errors import VersionFormError, VersionsDifferError
from release.versions import BUILT, agreed, set_version, stated

PLACES = (
    "pyproject.toml",
    "server.json",
    "labextension/package.json",
    "labextension/package-lock.json",
    BUILT,
    "recipe/recipe.yaml",
    "CHANGELOG.md",
)
TODAY = date(2026, 12, 24)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_this_checkout_has_one_version() -> None:
    assert agreed(ROOT) == project_version(Tree())
    assert len(list(stated(ROOT))) == 7


@pytest.mark.parametrize(
    "name", ["server.json", "labextension/package.json", "labextension/package-lock.json", BUILT, "recipe/recipe.yaml"]
)
def test_a_place_with_another_version_is_named_with_what_it_has(root: Path, name: str) -> None:
    version = project_version(Tree(root))
    text = (root / name).read_text()
    (root / name).write_text(text.replace(f'"{version}"', '"9.8.7"'))
    with pytest.raises(VersionsDifferError) as told:
        agreed(root)
    assert f"{name} has 9.8.7" in str(told.value) or f"{name} (2.) has 9.8.7" in str(told.value)
    assert "--set-version" in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_the_second_place_in_a_file_counts_too(root: Path) -> None:
    server = root / "server.json"
    told = json.loads(server.read_text())
    told["packages"][0]["version"] = "9.8.7"
    server.write_text(json.dumps(told))
    with pytest.raises(VersionsDifferError, match=r"server\.json \(2\.\) has 9\.8\.7"):
        agreed(root)


def test_a_tag_of_another_version_is_one_that_differs(root: Path) -> None:
    version = project_version(Tree(root))
    assert agreed(root, [f"v{version}", "nightly"]) == agreed(root, ["nightly", "very-good"]) == version
    with pytest.raises(VersionsDifferError, match=r"the tag v9\.8\.7 has 9\.8\.7"):
        agreed(root, ["v9.8.7"])


@pytest.mark.parametrize("name", PLACES[1:-1])
@pytest.mark.parametrize("content", [None, "{", '{"a": [}', "[]", "- no: [table", '{"packages": {}, "version": {}}'])
def test_a_place_that_says_nothing_is_told_in_a_line(root: Path, name: str, content: str | None) -> None:
    (root / name).unlink()
    if content is not None:
        (root / name).write_text(content)
    with pytest.raises((SpecError, VersionsDifferError)) as told:
        agreed(root)
    assert name in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", "01.0.0", "v1.0.0", "1.0.0-rc.1", "", "1.0.0\n"])
def test_a_version_that_npm_or_python_would_write_otherwise_is_refused(root: Path, version: str) -> None:
    with pytest.raises(VersionFormError):
        set_version(root, version, TODAY)


def test_the_next_version_is_written_everywhere_and_nothing_else_changes(root: Path) -> None:
    before = {name: (root / name).read_text() for name in PLACES}
    written = set_version(root, "9.8.7", TODAY)
    assert set(written) == {*PLACES} - {BUILT}
    changed = {name: (root / name).read_text() for name in PLACES}
    for name in {*PLACES} - {BUILT, "CHANGELOG.md"}:
        old, new = before[name].splitlines(), changed[name].splitlines()
        assert len(old) == len(new)
        differ = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert 1 <= len(differ) <= 2, name
        assert all("version" in b and "9.8.7" in b for _, b in differ)
    assert "## Unreleased\n\n## 9.8.7 - 2026-12-24\n" in changed["CHANGELOG.md"]
    # Only a build can change the built extension.
    with pytest.raises(VersionsDifferError, match=BUILT):
        agreed(root)
    (root / BUILT).write_text(
        (root / BUILT).read_text().replace(before["server.json"].split('"version": ')[1][:7], '"9.8.7"')
    )
    assert agreed(root) == "9.8.7"
    assert set_version(root, "9.8.7", TODAY) == []


def test_nothing_is_written_where_a_place_can_not_be_read(root: Path) -> None:
    (root / "server.json").write_text("{")
    before = {name: (root / name).read_text() for name in PLACES}
    with pytest.raises(SpecError, match=r"server\.json"):
        set_version(root, "9.8.7", TODAY)
    assert {name: (root / name).read_text() for name in PLACES} == before
