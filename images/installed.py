"""Which packages a root filesystem holds, read from what their installers left."""

from __future__ import annotations

import json
import re
from importlib.metadata import distributions
from pathlib import Path


def installed(root: Path, name: str) -> str | None:
    """Give the version of a package of the environment, or else of Debian's; None if there is none of that name."""
    wanted = _normal(name)
    for version in (_python(root, wanted), _conda(root, wanted), _debian(root, name)):
        if version is not None:
            return version
    return None


def _normal(name: str) -> str:
    # PEP 503.
    return re.sub(r"[-_.]+", "-", name).lower()


def _python(root: Path, wanted: str) -> str | None:
    places = [str(path) for path in sorted(root.glob("opt/env/lib/python3*/site-packages"))]
    return next((one.version for one in distributions(path=places) if _normal(one.name) == wanted), None)


def _conda(root: Path, wanted: str) -> str | None:
    for path in sorted(root.glob("opt/env/conda-meta/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if _normal(record["name"]) == wanted:
            return str(record["version"])
    return None


def _debian(root: Path, name: str) -> str | None:
    # One stanza a file, as images without dpkg's own database have them.
    for path in sorted(root.glob("var/lib/dpkg/status.d/*")):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
        if fields.get("Package") == name:
            return fields.get("Version")
    return None
