"""Make the environment that nox itself runs in: beside what is there, put in its place at once when it is whole.

`./noxw` runs this by its path, with whatever Python is there and nothing installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

NO_ENVIRONMENT = 71
INTERRUPTED = 130
STAMP = "noxw.txt"


def main(folder: Path, lock: Path) -> int:
    """Make `folder`, unless another did so meanwhile; return the exit code, and say in a line why there is none."""
    try:
        return _main(folder, lock)
    except KeyboardInterrupt:
        _say("interrupted: nothing was left half-made; run it again")
        return INTERRUPTED
    except (OSError, subprocess.SubprocessError) as error:
        _say(f"could not make {folder}: {error}")
        return NO_ENVIRONMENT


def _main(folder: Path, lock: Path) -> int:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if _is_made_from(folder, lock):
            return 0
        _say(f"making {folder}")
        new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
        try:
            return _make(new, lock) or _replace(folder, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _make(new: Path, lock: Path) -> int:
    venv.create(new, with_pip=True, clear=True, symlinks=os.name != "nt")
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    command = [str(new / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(lock)]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        _say("could not install nox and uv: is the package index reachable? Run it again when it is")
        return NO_ENVIRONMENT
    # It is run as `bin/python -m nox`, so that it may be moved: only its scripts name the folder they were made in.
    shutil.copyfile(lock, new / STAMP)
    return 0


def _replace(folder: Path, new: Path) -> int:
    old = new.with_name(f"{new.name}.old")
    # Who runs from the old one goes on with the files that it has open.
    with contextlib.suppress(FileNotFoundError):
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return 0


def _is_made_from(folder: Path, lock: Path) -> bool:
    try:
        return (folder / STAMP).read_bytes() == lock.read_bytes() and (folder / "bin" / "python").exists()
    except FileNotFoundError:
        return False


def _say(text: str) -> None:
    print(f"noxw: {text}", file=sys.stderr, flush=True)  # noqa: T201 - nothing else is installed yet


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
