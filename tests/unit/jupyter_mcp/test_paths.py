"""One spelling per notebook, and none that leaves the root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.errors import BadPathError
from jupyter_mcp.paths import canonical, contained, walk
from jupyter_mcp.steering.agents import HERE_FOR, Agent, Agents

PARTS = st.sampled_from(["a", "..", ".", "", ".hid", "x.ipynb", "%2e%2e", "%2f", "\\", "b c", "é"])


@pytest.mark.parametrize("spelling", ["a/x.ipynb", "/a/x.ipynb", "./a/x.ipynb", "a//x.ipynb", "a/./x.ipynb"])
def test_spellings_of_one_notebook_are_one(spelling: str) -> None:
    assert canonical(spelling) == "a/x.ipynb"


@given(st.lists(PARTS, min_size=1, max_size=6))
def test_what_is_accepted_stays_below_the_root_and_is_its_own_spelling(parts: list[str]) -> None:
    try:
        path = canonical("/".join(parts))
    except BadPathError:
        return
    assert canonical(path) == path
    assert path.endswith(".ipynb")
    root = Path("/srv/root")
    assert root in (root / path).parents
    assert ".." not in path
    assert "/." not in f"/{path}"


def test_a_link_out_of_the_root_is_refused_and_one_inside_is_not(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-too"
    (root / "in").mkdir(parents=True)
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "alias").symlink_to(root / "in")
    contained(str(root), "alias/x.ipynb")
    contained(None, "out/x.ipynb")
    with pytest.raises(BadPathError):
        contained(str(root), "out/x.ipynb")


def test_thousands_of_notebooks_are_listed_without_hidden_folders(tmp_path: Path) -> None:
    for folder in ("a", "a/.ipynb_checkpoints", ".git", "b/c"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(1000):
            (tmp_path / folder / f"{number}.ipynb").touch()
    found = walk(str(tmp_path))
    assert len(found) == 2000
    assert found == sorted(found)
    assert not any("/." in f"/{path}" for path in found)


def test_folders_too_deep_to_be_opened_hide_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    for _ in range(50):  # past PATH_MAX
        Path("f" * 100).mkdir()
        os.chdir("f" * 100)
    assert walk(str(tmp_path)) == ["b.ipynb"]


def test_an_agent_is_here_for_a_while_after_its_last_call() -> None:
    now = [0.0]
    agents = Agents(lambda: now[0])
    agents.saw(Agent("1", "one"))
    now[0] = HERE_FOR - 1
    agents.saw(Agent("2", "two"))
    assert [agent.name for agent in agents.here()] == ["one", "two"]
    now[0] = HERE_FOR + 1
    assert [agent.name for agent in agents.here()] == ["two"]
