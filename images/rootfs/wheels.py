"""Install wheels into a staged root, for whichever platform, with the `installer` library.

`installer` gives the schemes, RECORD and shebangs that pip would (PEP 427, PEP 376); the prefix inside the image is a
virtual environment, so Debian's own Python stays as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import installer
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile

from images.errors import PackageContentError
from images.rootfs.entries import Entry, Kind, walk

PREFIX = "/opt/env"
"""Where an image has its environment, or the first of several."""
OTHERS = "/opt/envs"
"""Where the others are, each below its name."""
PYTHON = "python3.13"


def prefix_of(name: str) -> str:
    """Return where an image has an environment that is not its first."""
    return f"{OTHERS}/{name}"


def scheme(package: str, python: str = PYTHON, prefix: str = PREFIX) -> dict[str, str]:
    """Return sysconfig's ``venv`` scheme at a prefix; headers go where pip puts them, per package."""
    site_packages = f"{prefix}/lib/{python}/site-packages"
    return {
        "purelib": site_packages,
        "platlib": site_packages,
        "scripts": f"{prefix}/bin",
        "data": prefix,
        "headers": f"{prefix}/include/site/{python}/{package}",
    }


def stage(wheel: Path, file_name: str, root: Path, python: str = PYTHON, prefix: str = PREFIX) -> None:
    """Install one wheel below `root`; `file_name` is its name in the lock, since the store keeps it under its digest.

    `python` names the Python that it is for, e.g. ``python3.13``; `prefix` is where its environment is in the image.

    Raises:
        PackageContentError: it is not a wheel, reaches outside its schemes, or overwrites another package's file.

    """
    package = file_name.partition("-")[0]
    named = root.parent / f"{root.name}.wheels" / file_name
    named.parent.mkdir(exist_ok=True)
    named.symlink_to(wheel)
    destination = SchemeDictionaryDestination(
        scheme(package, python, prefix), interpreter=f"{prefix}/bin/python", script_kind="posix", destdir=str(root)
    )
    try:
        with WheelFile.open(named) as source, warnings.catch_warnings():
            # installer says so when a wheel ships __pycache__; it leaves that out, as we want.
            warnings.simplefilter("ignore", RuntimeWarning)
            installer.install(source, destination, {"INSTALLER": b"jupyter-mcp\n"})
    except FileExistsError as error:
        raise PackageContentError(
            file_name, f"overwrites a file of another package ({Path(str(error)).name})"
        ) from None
    except (InstallerError, ValueError, KeyError) as error:
        raise PackageContentError(file_name, f"is not a usable wheel ({error})") from None


def staged(
    wheels: Iterable[tuple[Path, str]], root: Path, origin: str, python: str = PYTHON, prefix: str = PREFIX
) -> Iterator[Entry]:
    """Stage wheels, each a path and its file name, below `root`; give the entries, without directories."""
    root.mkdir(parents=True)
    for wheel, file_name in wheels:
        stage(wheel, file_name, root, python, prefix)
    return (entry for entry in walk(root, origin) if entry.kind is not Kind.DIRECTORY)


def environment(python: str) -> Iterator[Entry]:
    """Yield the virtual environment itself (PEP 405): links to the base's interpreter, and pyvenv.cfg."""
    prefix = PREFIX.removeprefix("/")
    yield Entry(f"{prefix}/bin/python", Kind.SYMLINK, 0o777, target=f"/usr/bin/{python}", origin="environment")
    yield Entry(f"{prefix}/bin/python3", Kind.SYMLINK, 0o777, target="python", origin="environment")
    yield Entry(f"{prefix}/bin/{python}", Kind.SYMLINK, 0o777, target="python", origin="environment")
    config = f"home = /usr/bin\ninclude-system-site-packages = false\nexecutable = /usr/bin/{python}\n"
    yield Entry(f"{prefix}/pyvenv.cfg", Kind.FILE, 0o644, content=config.encode(), origin="environment")
