"""Where Debian's archives are: asked of the host's own apt configuration, never written down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from env.errors import NoArchiveError

VARIABLES = {"debian": "DEBIAN_MIRROR", "debian-security": "DEBIAN_SECURITY_MIRROR"}
"""Environment variables that name an archive's root, by archive."""
_RELEASE = re.compile(r"^'(?P<root>\S+?)/+dists/\S+'")


def archive_root(archive: str) -> str:
    """Return the address of an archive without a trailing slash: the variable's, else the host's apt configuration's.

    Raises:
        NoArchiveError: neither names one.

    """
    if configured := os.environ.get(VARIABLES[archive]):
        return configured.rstrip("/")
    for root in _configured_roots():
        if root.endswith(f"/{archive}"):
            return root
    raise NoArchiveError(archive, VARIABLES[archive])


def _configured_roots() -> Iterator[str]:
    """Yield the roots of the archives that this host's apt is configured for, downloaded lists or not."""
    if not shutil.which("apt-get"):
        return
    # It reads apt's sources in all their forms and fetches nothing; `indextargets` knows only the lists that are here.
    listing = subprocess.run(
        ["apt-get", "update", "--print-uris"],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listing.stdout.splitlines():
        if match := _RELEASE.match(line):
            yield from _addresses(unquote(match["root"]))


def _addresses(root: str) -> Iterator[str]:
    # apt-transport-mirror(1): a file of mirrors, one a line, with options after a tab; cloud images come with one.
    if root.startswith("mirror+file:"):
        with suppress(OSError, UnicodeDecodeError):
            lines = Path(root.removeprefix("mirror+file:").replace("//", "/")).read_text(encoding="utf-8").splitlines()
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    yield from _addresses(line.split()[0].rstrip("/"))
    elif root.startswith(("http://", "https://")):
        yield root.rstrip("/")
