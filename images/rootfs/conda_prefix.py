"""What a staged conda prefix has: which Python distributions, and which of its packages lack another."""

from __future__ import annotations

import json
import re
from pathlib import Path

from packaging.utils import canonicalize_name

from env.intake.conda_depends import Dependent, Unmet, unmet_depends

_EXACTLY = ("python", "python_abi")
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def lacking(prefix: Path) -> tuple[Unmet, ...]:
    """Return what packages depend on, by their own metadata, and is not installed; of versions only the Python's."""
    records = (json.loads(path.read_bytes()) for path in sorted(prefix.glob("conda-meta/*.json")))
    packages = (
        Dependent(one["name"], f"{one['version']} {one['build']}", tuple(one.get("depends", ()))) for one in records
    )
    return tuple(unmet_depends(packages, _EXACTLY))


def distributions(prefix: Path) -> dict[str, str]:
    """Return the Python distributions in the prefix, version by normalised name (PyPA's recording of installs)."""
    found: dict[str, str] = {}
    for path in sorted(prefix.glob("lib/python3*/site-packages/*-info")):
        if named := _DISTRIBUTION.fullmatch(path.name):
            found[canonicalize_name(named["name"])] = named["version"]
    return found
