"""The programs, recipes and locks of the checkout as a wheel: what an image that builds images has at `CHECKOUT`.

Below ``lib/python3.13`` of the environment, so that its modules are compiled; they find locks and recipes by where they
are, as in a checkout.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from env.formats.lock import LockedFile
from env.spec import DISTRIBUTION, PYPROJECT, ROOT, Tree, project_version
from env.store.store import Store

NAME = f"{DISTRIBUTION}-builder"
CHECKOUT = "lib/python3.13/jupyter-mcp"
"""Where it is, below the environment's prefix."""
_FOLDERS = ("env", "images", "jupyter_mcp")
SOURCES = (PYPROJECT, "LICENSE", "docs/pypi.md", "pixi.toml", "pixi.lock", *(f"{folder}/**/*" for folder in _FOLDERS))
"""Globs of all that building images needs of a checkout; the build of the project's wheel is among it."""


def checkout_wheel(store: Store, epoch: int, root: Path = ROOT) -> LockedFile:
    """Make the wheel into the store; `epoch` is the time that its members carry, in seconds since 1970.

    Equal files make equal bytes.
    """
    version, stem = project_version(Tree(root)), NAME.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    members = {
        f"{stem}-{version}.data/data/{CHECKOUT}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in _files(root)
    }
    members |= {
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {NAME}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: images\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/licenses/LICENSE": (root / "LICENSE").read_bytes(),
    }
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in members.items()]
    members[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    buffer, when = BytesIO(), datetime.fromtimestamp(epoch, UTC).timetuple()[:6]
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, when)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    return LockedFile(NAME, version, f"{stem}-{version}-py3-none-any.whl", store.add(content), len(content))


def _files(root: Path) -> list[Path]:
    found = {path for pattern in SOURCES for path in root.glob(pattern)}
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
