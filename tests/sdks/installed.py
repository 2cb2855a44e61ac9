"""What npm has installed beside this file."""

from __future__ import annotations

from pathlib import Path

from tests.support.needs import reason

FOLDER = Path(__file__).parent


def node() -> Path:
    """Return the folder of the locked Node."""
    return next(folder for folder in (FOLDER / "node_modules").glob("node-linux-*/bin") if (folder / "node").is_file())


def lacking() -> str | None:
    """Return why the tests can't run, or None."""
    there = (FOLDER / "node_modules" / "@modelcontextprotocol" / "inspector").is_dir()
    return None if there else reason("MCP's TypeScript SDKs", "./noxw -s sdks")
