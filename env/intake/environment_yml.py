"""environment.yml: what is asked of conda, and nothing that is locked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from env.intake.reading import text_of

NAMES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml", "env.yml", "env.yaml")
MAIN = "main"
"""conda-lock's category of what is asked for without one."""
_SELECTOR = re.compile(r"#\s*\[[^\]]+\]\s*$")


def find_environment_yml(folder: Path) -> Path | None:
    """Return the environment.yml of a folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def conda_lines(path: Path) -> Iterator[str]:
    """Yield the conda packages that it asks for on every platform; nothing where it is no such file."""
    for line in _wanted(path):
        if isinstance(line, str):
            # A channel before it is where the solver looked.
            yield _spec(line.rpartition("::")[2].strip())


def pip_lines(path: Path) -> Iterator[str]:
    """Yield the lines of its ``pip:`` section, without those of options."""
    for entry in _wanted(path):
        lines = entry.get("pip") if isinstance(entry, dict) else None
        for line in lines if isinstance(lines, list) else []:
            if isinstance(line, str) and not line.startswith("-"):
                yield line


def category_of(path: Path) -> str:
    """Return the category that it says its packages are of, for conda-lock."""
    return str(_document(path).get("category", MAIN))


def _wanted(path: Path) -> list[Any]:
    wanted = _document(path).get("dependencies")
    return wanted if isinstance(wanted, list) else []


def _document(path: Path) -> dict[Any, Any]:
    lines = [line for line in text_of(path).splitlines() if not _SELECTOR.search(line)]
    try:
        data = yaml.safe_load("\n".join(lines))
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}


def _spec(line: str) -> str:
    """Return conda's own way to write a spec, ``name=1.2=build``, in words that a match spec has."""
    found = re.fullmatch(r"(?P<name>[\w.-]+)=(?P<version>[^=<>!~,| ]+)(?:=(?P<build>.+))?", line)
    if not found:
        return line
    version = found["version"] if found["version"].endswith("*") else f"{found['version']}.*"
    return f"{found['name']} {found['version']} {found['build']}" if found["build"] else f"{found['name']} {version}"
