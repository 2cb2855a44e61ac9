"""A repository of one's own with what a release needs of this one, committed at a known time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from env.spec import ROOT
from release.checkout import read_checkout

COMMITTED = 1_790_000_000
"""Seconds since 1970."""
NEEDED = ("env/", "images/", "jupyter_mcp/", "labextension/", "recipe/", "release/", "docs/pypi.md")
LARGE = (".lock", "conda-lock.yml", "conda-lock.txt", "lab.txt")
"""Endings of files that only images are made from."""
_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_DATE": f"@{COMMITTED} +0000",
    "GIT_COMMITTER_DATE": f"@{COMMITTED} +0000",
}


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    command = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org", *arguments]
    subprocess.run(command, cwd=folder, env={**os.environ, **_SETTINGS}, check=True, capture_output=True)


def commit(folder: Path) -> None:
    """Commit all that is in a folder."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A state")


def repository(folder: Path) -> Path:
    """Make one of the files that are here, without tests and most of the documentation; it has notes of its version."""
    here = read_checkout(ROOT, draft=True)
    for name in here.files:
        if (name.startswith(NEEDED) or "/" not in name) and not name.endswith(LARGE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here.root / name, folder / name)
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    if "\n## 0.1.0" not in text:
        changelog.write_text(text.replace("## Unreleased\n", "## Unreleased\n\n## 0.1.0 - 2026-11-01\n", 1))
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def release(folder: Path, *arguments: str, umask: int = 0o022, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a repository's own ``python -m release``."""
    return subprocess.run(
        [sys.executable, "-m", "release", *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
