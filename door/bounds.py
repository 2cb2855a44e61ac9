"""The environments at both ends of what pyproject.toml allows: the lowest and the newest versions of its dependencies.

They have no lock: what the day's releases do is the question. Only what the project itself asks for is lowered; what
the tests need besides (the group `beside`) is current, so that an old pytest is no failure of ours.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from door.environments import Kind

_PROJECT = ("-r", "pyproject.toml")
_BESIDE = ("--group", "pyproject.toml:beside")
_LISTING = (
    "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
)
ROOMS = (
    "jupyter-collaboration",
    "jupyter-collaboration-ui",
    "jupyter-docprovider",
    "jupyter-server-ydoc",
    "jupyter-ydoc",
    "pycrdt",
    "pycrdt-store",
    "pycrdt-websocket",
)
"""jupyter-collaboration and its parts: whose pre-releases are tried too, since its private names are what is used."""


def _lowest(folder: Path) -> Iterator[Sequence[str]]:
    yield "--resolution", "lowest-direct", "--only-binary", ":all:", *_PROJECT
    given = folder / "lowest.txt"
    # Else what the tests need would raise them.
    given.write_text(_installed(folder), encoding="utf-8")
    yield "--constraint", str(given), *_BESIDE


def _newest(_folder: Path) -> Iterator[Sequence[str]]:
    # A lower bound that is a pre-release (`>=0.dev0`) does not do: uv 0.13 then takes one only where nothing else is.
    allowed = (word for name in ROOMS for word in ("--prerelease-package", f"{name}=allow"))
    yield "--refresh", *allowed, *_PROJECT, *_BESIDE


def _installed(folder: Path) -> str:
    command = [str(folder / "bin" / "python"), "-I", "-c", _LISTING]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


LOWEST = Kind("lowest", (), resolve=_lowest)
NEWEST = Kind("newest", (), resolve=_newest, dated=True)
VERSIONS = ("python", "-I", "-c", _LISTING)
"""Say which versions there are: what a red run is about."""
