"""Run ``uv pip`` on the environment that lies over the locked one, as if the locked packages were in it.

uv knows only what is in the environment itself, so it would install a second numpy for whatever asks for one. While it
runs, the locked packages are therefore listed there, by folders ``NAME-VERSION.dist-info`` that hold nothing but links
to the locked ones' metadata, and a RECORD of themselves, so that uv can replace what it is asked to replace.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

INSTALLER = "locked environment\n"
_METADATA = ("METADATA", "WHEEL")


def main(arguments: list[str]) -> int:
    """Run it, and return its exit code."""
    folder = Path(os.environ["VIRTUAL_ENV"])
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    below = Path(sysconfig.get_path("purelib"))
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    with (folder / ".uv-pip.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        _unlist(site)
        try:
            listed = set(_list(below, site))
            code = subprocess.run([uv, *arguments], check=False).returncode
            # Taken out, and nothing put in its place: only the listing is gone.
            for name in sorted(listed - set(_names(site))):
                print(f"{name} belongs to the locked environment and stays", file=sys.stderr)  # noqa: T201 - for the person
        except KeyboardInterrupt:
            code = 130
        finally:
            _unlist(site)
    return code


def _list(below: Path, site: Path) -> Iterator[str]:
    own = set(_names(site))
    for locked in below.glob("*.dist-info"):
        name = _name(locked)
        if name in own:
            continue
        listing = site / locked.name
        listing.mkdir()
        # First, since it is what tells a listing from a package.
        (listing / "INSTALLER").write_text(INSTALLER, encoding="utf-8")
        files = [file for file in _METADATA if (locked / file).is_file()]
        for file in files:
            (listing / file).symlink_to(locked / file)
        rows = (f"{locked.name}/{file},,\n" for file in (*files, "INSTALLER", "RECORD"))
        (listing / "RECORD").write_text("".join(rows), encoding="utf-8")
        yield name


def _unlist(site: Path) -> None:
    """Take the listings away, also those of a run that was killed."""
    for found in site.glob("*.dist-info"):
        installer = found / "INSTALLER"
        if not any(found.iterdir()) or (installer.is_file() and installer.read_text(errors="replace") == INSTALLER):
            shutil.rmtree(found, ignore_errors=True)


def _names(site: Path) -> Iterator[str]:
    return (_name(found) for found in site.glob("*.dist-info"))


def _name(folder: Path) -> str:
    return re.sub(r"[-_.]+", "-", folder.name.partition("-")[0]).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
