"""Specs and locks are read once a command, whoever asks for them."""

from __future__ import annotations

from pathlib import Path

from env.spec import Tree
from tests.support.reads import reads


def test_verify_reads_every_spec_and_lock_once(tmp_path: Path) -> None:
    found = reads(tmp_path, "env", "verify", "--offline")
    assert {("open", "pyproject.toml"), ("open", "env/locks/lab.txt"), ("parse", "pixi.lock")} <= set(found)
    assert {name: count for name, count in found.items() if count > 1} == {}


def test_the_plan_of_a_conda_build_reads_every_spec_and_lock_once(tmp_path: Path) -> None:
    found = reads(tmp_path, "images", "build", "jupyter", "--env", "conda", "--plan", "--store", tmp_path / "store")
    assert {("open", "pixi.toml"), ("parse", "pixi.lock"), ("open", "images/recipes/jupyter/image.toml")} <= set(found)
    assert {name: count for name, count in found.items() if count > 1} == {}


def test_what_a_tree_made_of_a_file_is_kept_and_another_tree_reads_anew(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1")
    tree = Tree(tmp_path)
    assert tree.toml("a.toml") is tree.toml("a.toml")
    (tmp_path / "a.toml").write_text("x = 2")
    assert (tree.toml("a.toml")["x"], Tree(tmp_path).toml("a.toml")["x"]) == (1, 2)


def test_a_recipes_folder_has_the_checkout_beside_it(tmp_path: Path) -> None:
    tree = Tree()
    assert tree.beside(tmp_path).project is tree
    assert tree.beside(tmp_path) is tree.beside(tmp_path)
    assert tree.beside(tree.root) is tree
