"""What /etc/start.d decides before anything is started, and the git of JupyterLab's panel."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.needs import require

PART = Path(__file__).parents[4] / "images" / "parts" / "jupyter" / "rootfs"
Git = Callable[..., str]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace" / ".jupyter").mkdir(parents=True)
    return tmp_path / "workspace"


def private(workspace: Path) -> tuple[Path, str]:
    """Let the container decide on the private folder; give its choice and what it says."""
    script = f'. "{PART}/etc/start.d/25-private.sh"; echo "$JUPYTER_PRIVATE_DIR"'
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(workspace),
        "WORKSPACE": str(workspace),
        "JUPYTER_STATE_DIR": str(workspace / ".jupyter"),
    }
    done = subprocess.run(["sh", "-euc", script], env=env, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()), done.stderr


def test_a_private_folder_that_was_made_here_is_used_again(workspace: Path) -> None:
    folder, said = private(workspace)
    assert (folder, said) == (workspace / ".jupyter" / "private", "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1700
    (folder / "gitconfig").write_text("mine")
    assert private(workspace) == (folder, "")


def test_what_kubernetes_makes_of_its_mode_is_still_ones_own(workspace: Path) -> None:
    folder, _ = private(workspace)
    folder.chmod(0o3770)
    assert private(workspace) == (folder, "")


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o1755, 0o1701])
def test_a_private_folder_as_a_clone_or_an_archive_brings_it_is_left_alone(workspace: Path, mode: int) -> None:
    brought = workspace / ".jupyter" / "private"
    brought.mkdir()
    (brought / "gitconfig").write_text("somebody else's")
    brought.chmod(mode)
    folder, said = private(workspace)
    assert folder not in (brought, *brought.parents)
    assert list(folder.iterdir()) == []
    assert "was not made here" in said
    assert said.count("\n") == 1
    assert (brought / "gitconfig").read_text() == "somebody else's"
    folder.rmdir()


@pytest.mark.parametrize("made", [Path.touch, lambda path: path.symlink_to("/etc"), lambda path: path.symlink_to("no")])
def test_a_private_folder_that_is_none_is_not_used(workspace: Path, made: Callable[[Path], None]) -> None:
    brought = workspace / ".jupyter" / "private"
    made(brought)
    folder, said = private(workspace)
    assert folder != brought
    assert "was not made here" in said
    folder.rmdir()


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """The panel's git in a new repository, of a person who has said nothing yet."""
    require("git")
    repository = tmp_path / "repository"
    repository.mkdir()
    real = Path(str(shutil.which("git"))).parent
    wrapper = PART / "usr" / "local" / "lib" / "git-panel" / "git"
    text = wrapper.read_text().replace("/usr/local/lib/git-panel", str(tmp_path / "panel"))
    (tmp_path / "panel").mkdir()
    (tmp_path / "panel" / "git").write_text(text)
    (tmp_path / "panel" / "git").chmod(0o755)
    env = {"PATH": f"{tmp_path}/panel:{real}:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
    env |= {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*words: str) -> str:
        command = [tmp_path / "panel" / "git", *words]
        done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    run("init")
    return run


def test_the_panel_begins_a_repository_before_it_knows_who_one_is(git: Git) -> None:
    git("commit", "--allow-empty", "-m", '"First Commit"')
    assert git("log", "--format=%an") == "JupyterLab\n"
    # Nothing is kept of that, so the panel still asks.
    assert "user." not in git("config", "--list")


def test_what_the_panel_is_told_counts_for_every_repository(git: Git, tmp_path: Path) -> None:
    git("config", "--add", "user.name", "Ada")
    git("config", "--add", "user.email", "ada@example.org")
    assert "Ada" in (tmp_path / "gitconfig").read_text()
    git("commit", "--allow-empty", "-m", '"First Commit"')
    assert git("log", "--format=%an <%ae>") == "Ada <ada@example.org>\n"


def test_all_else_is_gits_own(git: Git) -> None:
    git("config", "--add", "core.editor", "nano")
    assert git("config", "--local", "core.editor") == "nano\n"
