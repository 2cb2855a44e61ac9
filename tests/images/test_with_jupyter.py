"""Somebody's locked environment, served with JupyterLab, collaboration and MCP: built, run and asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.intake.pylock import PYLOCK
from env.platforms import host_platform
from env.store.store import Store

from .conftest import images
from .test_mistakes import told
from .test_requirements import env

pytestmark = pytest.mark.network


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "requirements.txt").write_text("tabulate==0.9.0\npackaging<26\n")
    locked = env("lock", "--recipe", folder)
    assert locked.returncode == 0, locked.stderr
    return folder


def test_the_plan_adds_what_lacks_and_leaves_what_is_there(project: Path) -> None:
    run = images("build", "--from", project, "--with", "jupyter", "--plan", "--json")
    assert run.returncode == 0, run.stderr
    for one in json.loads(run.stdout)["platforms"]:
        layers = {layer["name"]: layer["packages"] for layer in one["layers"]}
        names = [package["name"] for packages in layers.values() for package in packages]
        assert (names.count("tabulate"), names.count("packaging")) == (1, 1)
        assert {"jupyterlab", "jupyter-collaboration", "fastmcp", "supervisor"} <= set(names)


def test_what_does_not_fit_is_told_before_anything_is_made(project: Path, tmp_path: Path) -> None:
    (project / "requirements.txt").write_text("tornado==6.3.3\n")
    (project / PYLOCK).unlink()
    assert env("lock", "--recipe", project).returncode == 0
    run = images("build", "--from", project, "--with", "jupyter", "--output", tmp_path / "out")
    assert run.returncode == 65, run.stderr
    assert "and the environment has tornado 6.3.3" in told(run)
    assert f"run `./noxw -s lock -- --recipe {project}`" in told(run)
    assert not (tmp_path / "out").exists()


def test_a_recipe_lists_its_parts_itself(project: Path) -> None:
    run = images("build", "jupyter", "--with", "jupyter", "--plan")
    assert run.returncode == 2
    assert "--with is for a project without a recipe (--from)" in run.stderr


@pytest.mark.slow
def test_agents_and_people_work_in_the_projects_own_environment(project: Path, store: Store, tmp_path: Path) -> None:
    host, output = host_platform(), tmp_path / "out"
    assert host is not None
    build = ("build", "--from", project, "--with", "jupyter", "--store", store.root, "--platform", host.oci)
    run = images(*build, "--output", output)
    assert run.returncode == 0, run.stderr
    assert images("verify", output).returncode == 0
    checked = images("check", output, "--json")
    assert checked.returncode == 0, checked.stderr
    ids = {verdict["id"] for verdict in json.loads(checked.stdout)}
    assert {"jupyter-api", "mcp-runs-the-cell", "notebook-with-its-output-is-on-disk"} <= ids
