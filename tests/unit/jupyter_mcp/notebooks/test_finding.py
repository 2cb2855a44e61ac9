"""Which paths a pattern means, and a walk that never leaves the root, follows no link and has an end."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mcp.errors import BadPathError
from jupyter_mcp.notebooks import finding
from jupyter_mcp.notebooks.finding import Found, Walk, matcher


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("", "a/b.csv", True),
        ("B.C", "a/b.csv", True),
        ("*.csv", "a/b.csv", True),
        ("*.csv", "a/b.csv.gz", False),
        ("b.???", "a/b.csv", True),
        ("[ab].csv", "x/b.csv", True),
        ("a/*.csv", "a/b.csv", True),
        ("a/*.csv", "a/c/b.csv", False),
        ("a/**/*.csv", "a/b.csv", True),
        ("a/**/*.csv", "a/c/d/b.csv", True),
        ("**/*.csv", "b.csv", True),
        ("**", "a/b.csv", True),
        ("./a/*", "a/b.csv", True),
        ("/a/*", "a/b.csv", True),
        ("a/*", "b/a/c", False),
        ("data*", "data/", True),
    ],
)
def test_a_pattern_means_these_paths(pattern: str, path: str, meant: bool) -> None:
    assert matcher(pattern)(path) is meant


def test_a_pattern_that_would_try_every_way_ends_at_once() -> None:
    assert not matcher("*a" * 60 + "b")("a" * 200)
    assert not matcher("**/a/" * 39 + "b")("a/" * 60 + "c")
    with pytest.raises(BadPathError, match="at most 200"):
        matcher("x" * 201)


def walk(root: Path, pattern: str = "", **options: bool) -> Found:
    return Walk(str(root), matcher(pattern), lambda name: name != "__pycache__", **options).find("")


def paths(found: Found) -> list[str]:
    return [entry.path for entry in found.entries]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("b.csv", "a/c.csv", "a/.hidden/d.csv", ".e.csv", "__pycache__/f.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12345")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("")
    (root / "in.csv").symlink_to(root / "b.csv")
    (root / "out.csv").symlink_to(outside / "secret.csv")
    (root / "out").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "gone.csv").symlink_to(root / "nothing")
    return root


def test_files_come_sorted_with_their_sizes_and_none_is_hidden_or_outside(tree: Path) -> None:
    found = walk(tree)
    assert paths(found) == ["a/c.csv", "b.csv", "in.csv"]
    assert {entry.size for entry in found.entries} == {5}
    assert found.complete


def test_hidden_ones_are_there_where_the_contents_manager_shows_them(tree: Path) -> None:
    assert paths(walk(tree, hidden=True)) == [".e.csv", "a/.hidden/d.csv", "a/c.csv", "b.csv", "in.csv"]


def test_one_folder_alone_shows_its_folders_too(tree: Path) -> None:
    found = walk(tree, below=False, folders=True)
    assert [(entry.path, entry.size) for entry in found.entries] == [("a/", None), ("b.csv", 5), ("in.csv", 5)]


def test_a_walk_ends_at_its_limits_and_says_so(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST_SEEN", 3)
    assert not walk(tree).complete
    monkeypatch.setattr(finding, "MOST_SEEN", 1000)
    monkeypatch.setattr(finding, "WITHIN", -1)
    assert not walk(tree).complete


def test_a_folder_that_can_not_be_read_is_passed_over(tree: Path) -> None:
    found = Walk(str(tree), matcher(""), lambda _: True).find("no such folder")
    assert found == Found()
