"""The environments: which sources make each, by the names that an image's parts install from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from env.condafiles import conda_files
from env.lock import LOCKS, Lock, Source, lock_name, read_lock
from env.platforms import Platform
from env.spec import ROOT

EnvironmentName = Literal["conda", "wheels"]
ENVIRONMENTS: Mapping[str, Mapping[str, Source]] = MappingProxyType(
    {
        "conda": {"debian": "debian-conda", "environment": "conda", "overlay": "conda-overlay"},
        "wheels": {"debian": "debian", "environment": "wheels", "overlay": "overlay"},
    }
)


def locks_of(environment: str, platform: Platform, root: Path = ROOT) -> dict[str, Lock]:
    """Read the locks of an environment for one platform: ``debian``, ``environment`` and ``overlay``.

    Raises:
        LockMissingError, LockFormatError: a lock is not there, or is not one.
        StaleLockError: pixi.lock does not answer pixi.toml.

    """
    sources = ENVIRONMENTS[environment]
    return {
        name: conda_files(platform, root) if source == "conda" else read_lock(LOCKS / lock_name(source, platform))
        for name, source in sources.items()
    }
