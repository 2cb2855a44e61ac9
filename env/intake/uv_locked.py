"""uv.lock: exported by uv itself into a pylock.toml, once it is seen to answer its pyproject.toml."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from env.errors import LockFormatError, NotTakenError, UnlockedError
from env.index.uv import executable
from env.intake.commands import uv_lock
from env.intake.intake import NOTHING_MORE, Chosen
from env.intake.pylock import Pylock, nothing_chosen, parse_pylock
from env.intake.python_project import PYPROJECT, python_project
from env.intake.uv_answers import require_answers
from env.intake.uv_workspace import is_workspace
from env.spec import Tree

_PATIENCE_S = 120
"""Seconds for an export, which takes one."""


def exported(path: Path, tree: Tree, wanted: Chosen = NOTHING_MORE) -> Pylock:
    """Return a uv.lock as a pylock.toml: the project and what it requires, with the extras and groups that are wanted.

    Raises:
        SpecError: the project has no such extra or group.
        UnlockedError: there is no pyproject.toml beside it.
        StaleLockError: it does not answer the pyproject.toml beside it.
        LockFormatError: uv can't read it.

    """
    project = python_project(tree)
    if project is None and not is_workspace(tree.root):
        raise UnlockedError(path, f"there is no {PYPROJECT} with a [project] beside it, which uv needs to read it")
    if project is not None:
        project.require(wanted.extras, wanted.groups)
        require_answers(path, project, wanted.groups)
    # Nothing is resolved, so no index is asked: the network and the configured index decide nothing.
    command = [executable(), "export", "--frozen", "--offline", "--no-default-groups", "--no-header", "--quiet"]
    command += ["--no-python-downloads", "--format", "pylock.toml"]
    command += [word for extra in wanted.extras for word in ("--extra", extra)]
    command += [word for group in wanted.groups for word in ("--group", group)]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # Paths in what is printed are relative to where uv runs.
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=tree.root, timeout=_PATIENCE_S
    )
    if run.returncode:
        reason = " ".join(run.stderr.split())[:400]
        if "declared conflicts" in reason:
            raise NotTakenError(path, f"{reason.removeprefix('error: ')}: choose others with --extra and --group")
        raise LockFormatError(path, f"uv can't export it ({reason})", command=uv_lock(path.parent))
    content = run.stdout
    found = parse_pylock(path, content, uv_lock(path.parent))
    if project is not None and not found.data.get("packages") and not wanted and (project.optional or project.groups):
        raise nothing_chosen(path, project.optional, project.groups)
    made = Pylock(path, found.data, found.command, tree.root)
    for folder in made.all_folders():
        other = python_project(tree.beside(folder))
        if other is not None and folder != tree.root.resolve():
            require_answers(path, other)
    return made
