"""uv workspaces: several projects with one uv.lock, in the folder of the workspace's root (uv's documentation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from env.errors import SpecError
from env.intake.python_project import PYPROJECT
from env.intake.reading import toml_of

UV_LOCK = "uv.lock"


def find_uv_lock(folder: Path) -> Path | None:
    """Return the uv.lock that a folder's project is in: its own, or that of the workspace it is a member of."""
    if (folder / UV_LOCK).is_file():
        return folder / UV_LOCK
    if not (folder / PYPROJECT).is_file():
        return None
    for root in folder.resolve().parents:
        workspace = _workspace(root / PYPROJECT)
        if workspace is not None:
            # As uv does, the nearest workspace decides, whether the folder is a member or not.
            locked = root / UV_LOCK
            return locked if locked.is_file() and _is_member(folder.resolve(), root, workspace) else None
    return None


def is_workspace(folder: Path) -> bool:
    """Say whether a folder is the root of a uv workspace."""
    return _workspace(folder / PYPROJECT) is not None


def _workspace(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        data = toml_of(path)
    except SpecError:
        return None
    tool = data.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    workspace = uv.get("workspace") if isinstance(uv, dict) else None
    return workspace if isinstance(workspace, dict) else None


def _is_member(folder: Path, root: Path, workspace: Mapping[str, Any]) -> bool:
    def listed(key: str) -> Iterator[Path]:
        patterns = workspace.get(key)
        for pattern in patterns if isinstance(patterns, list) else []:
            try:
                yield from (path.resolve() for path in root.glob(str(pattern).rstrip("/")))
            except (ValueError, NotImplementedError):
                # A pattern that is empty or absolute names no member.
                continue

    return folder in listed("members") and folder not in listed("exclude")
