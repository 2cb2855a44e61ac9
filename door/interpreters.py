"""Another Python than the one that ./noxw runs in: `./noxw --python 3.13 -s tests`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from door.environments import UV
from door.errors import UsageError

_OPTIONS = ("--python", "-p")
"""nox's own words for it. It would only leave out the sessions that name no version, and none of these does."""
_FOUND_BY = ("python", "find", "--system", "--no-python-downloads", "--no-project")


def asked(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the version or path that the words ask for, and the words without it.

    Raises:
        UsageError: the option has no value.

    """
    wanted: str | None = None
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        option, equals, value = word.partition("=")
        if option in _OPTIONS:
            wanted = value if equals else next(waiting, "")
            if not wanted or wanted.startswith("-"):
                raise UsageError(f"{option} wants a version or a path: ./noxw {option} 3.13 -s tests")
        else:
            rest.append(word)
    return wanted, rest


def found(wanted: str) -> str:
    """Return the interpreter of a version (as uv finds it), or at a path.

    Raises:
        UsageError: there is none here, or it is older than 3.11.

    """
    path = wanted if os.sep in wanted else _by_version(wanted)
    if path is None:
        raise UsageError(
            f"there is no Python {wanted} here: install it (Debian and Ubuntu: apt install python{wanted} "
            f"python{wanted}-venv), or name one by its path"
        )
    try:
        told = subprocess.run(
            [path, "-I", "-c", "import sys; print(sys.version_info >= (3, 11))"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UsageError(f"{path} can't be run: {error.strerror}") from None
    if told.stdout.strip() != "True":
        raise UsageError(f"{path} is no Python 3.11 or later")
    return path


def _by_version(wanted: str) -> str | None:
    if UV is None:
        return None
    settings = {**os.environ, "PATH": _search_path()}
    done = subprocess.run([UV, *_FOUND_BY, wanted], env=settings, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def _search_path() -> str:
    """Return the PATH with pyenv's own interpreters in the place of its shims, which refuse a version not chosen."""
    places = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(place).name != "shims"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return os.pathsep.join([*places, *sorted(map(str, pyenv.glob("versions/*/bin")), reverse=True)])


def start_again(noxw: Path, python: str, words: Sequence[str]) -> None:
    """Become a ./noxw that runs in another Python; return where this is the one already."""
    if os.path.realpath(python) == os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable):
        return
    sys.stdout.flush()
    os.execve(noxw, [str(noxw), *words], {**os.environ, "PYTHON": python})  # noqa: S606 - ourselves, and no shell
