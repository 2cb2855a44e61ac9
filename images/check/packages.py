"""Which packages a root filesystem holds, read from what their installers left."""

from __future__ import annotations

import json
import re
from email.parser import HeaderParser
from fnmatch import fnmatchcase

from images.limits import DOCUMENT, plain
from images.oci.rooted import Root


def installed(root: Root, name: str) -> str | None:
    """Return the version of a package of the environment, or else of Debian's; None if there is none of that name.

    Raises:
        OSError, ValueError: a record that can't be read as one.

    """
    wanted = _normal(name)
    for version in (_python(root, wanted), _conda(root, wanted), _debian(root, name)):
        if version is not None:
            return plain(version, 100)
    return None


def _normal(name: str) -> str:
    # PEP 503.
    return re.sub(r"[-_.]+", "-", name).lower()


def _python(root: Root, wanted: str) -> str | None:
    for python in root.listed("opt/env/lib"):
        place = f"opt/env/lib/{python}/site-packages"
        for folder in root.listed(place) if python.startswith("python3") else ():
            if not folder.endswith(".dist-info") or _normal(folder.partition("-")[0]) != wanted:
                continue
            headers = HeaderParser().parsestr(root.read_text(f"{place}/{folder}/METADATA", DOCUMENT))
            if headers["Version"]:
                return str(headers["Version"])
    return None


def _conda(root: Root, wanted: str) -> str | None:
    for file in root.listed("opt/env/conda-meta"):
        if fnmatchcase(file, "*.json") and _normal(file.rsplit("-", 2)[0]) == wanted:
            record = json.loads(root.read(f"opt/env/conda-meta/{file}", DOCUMENT))
            if isinstance(record, dict) and _normal(str(record.get("name"))) == wanted:
                return str(record.get("version"))
    return None


def _debian(root: Root, name: str) -> str | None:
    # One stanza a file, as images without dpkg's own database have them.
    for file in root.listed("var/lib/dpkg/status.d"):
        text = root.read_text(f"var/lib/dpkg/status.d/{file}", DOCUMENT)
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", text, re.MULTILINE))
        if fields.get("Package") == name:
            return fields.get("Version")
    return None
