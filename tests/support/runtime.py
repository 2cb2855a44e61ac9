"""Jupyter servers as `jupyter mcp` sees them: a file in the runtime folder, and who answers at its address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tornado import web

from .bridge import TOKEN


class Api(web.RequestHandler):
    """What Jupyter answers at /api."""

    def get(self) -> None:
        self.finish({"version": "2.21"})


HANDLERS = [(r"/api", Api)]


def runtime_file(folder: Path, port: int, root: Path, *, pid: int | None = None, **about: Any) -> Path:
    """Write what a server writes of itself; it lives if this process does."""
    number = os.getpid() if pid is None else pid
    info = {"url": f"http://127.0.0.1:{port}/", "root_dir": str(root), "token": TOKEN, "pid": number, "sock": ""}
    folder.mkdir(exist_ok=True)
    file = folder / f"jpserver-{number}-{port}.json"
    new = folder / ".new"
    new.write_text(json.dumps({**info, "version": "2.21", "port": port, **about}))
    new.replace(file)
    return file


def program(*words: str) -> list[str]:
    """Return the command of `jupyter mcp`."""
    return [sys.executable, "-m", "jupyter_mcp.cli.main", *words]


def environment(runtime: Path, **more: str) -> dict[str, str]:
    """Return the environment in which it finds the files."""
    here = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "COV_"))}
    return {**kept, "PYTHONPATH": here, "JUPYTER_RUNTIME_DIR": str(runtime), **more}


def run(runtime: Path, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `jupyter mcp` to its end."""
    return subprocess.run(
        program(*words),
        env=environment(runtime, **more),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
