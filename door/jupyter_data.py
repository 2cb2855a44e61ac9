"""Where Jupyter keeps a user's data: asked here before there is a Jupyter to ask."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def jupyter_data() -> Path:
    """Return Jupyter's data folder, as jupyter-core finds it on POSIX."""
    if given := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jupyter"


def rooms_database() -> Path:
    """Return the file in which the rooms of `lab` keep their history, out of the notebooks' folder; make its folder."""
    folder = jupyter_data() / "jupyter_mcp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "rooms.db"
