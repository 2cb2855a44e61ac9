"""Lay a virtual environment of one's own over a locked one: what is added to it comes first, the locked one stays.

The Python of the locked environment runs it, each time before it is used, since that environment may be another one:
``python -I layered.py FOLDER DATA``. FOLDER is the environment, DATA gets the kernel spec ``python3`` that runs in it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

SEEN_THROUGH = "locked-environment.pth"
"""The file that lets the locked environment's packages be seen (the documentation of Python's module site)."""
PROGRAMS = ("ipython", "ipython3", "pip", "pip3", "pytest")
"""Programs of the locked environment that must see what was added, so that they need this environment's Python."""
_PROGRAM = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from {module} import {first}

sys.exit({function}())
"""


def lay(folder: Path, data: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Make the environment and its kernel spec, or bring them up to date; what was added stays.

    `variables` are those that a kernel has and its server has not.

    Raises:
        OSError: the folder's file system can't hold them.

    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    for needed in (site, folder / "bin"):
        needed.mkdir(parents=True, exist_ok=True)
    base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    lines = (f"home = {base.parent}", "include-system-site-packages = false", f"executable = {base}")
    _put(folder / "pyvenv.cfg", "\n".join(lines) + "\n")
    _link(folder / "bin" / "python", str(base))
    for name in ("python3", version):
        _link(folder / "bin" / name, "python")
    below = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    # addsitedir: its own .pth files count too, and it is appended, so that what is added here comes first.
    _put(site / SEEN_THROUGH, "".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    for entry in importlib.metadata.entry_points(group="console_scripts"):
        if entry.name in PROGRAMS:
            _put(folder / "bin" / entry.name, _program(folder, entry), 0o755)
    _write_kernel_spec(folder, data / "kernels" / "python3", variables)


def _program(folder: Path, entry: importlib.metadata.EntryPoint) -> str:
    first = entry.attr.partition(".")[0]
    python = folder / "bin" / "python"
    return _PROGRAM.format(python=python, module=entry.module, first=first, function=entry.attr)


def _write_kernel_spec(folder: Path, spec: Path, variables: Mapping[str, str]) -> None:
    locked = Path(sysconfig.get_path("data")) / "share" / "jupyter" / "kernels" / "python3"
    known = json.loads((locked / "kernel.json").read_text(encoding="utf-8"))
    # jupyter_client fills in ${PATH}, and takes $$ for a dollar.
    place = str(folder).replace("$", "$$")
    known["argv"] = [str(folder / "bin" / "python"), *known["argv"][1:]]
    path = f"{place}/bin{os.pathsep}${{PATH}}"
    known["env"] = {**known.get("env", {}), **variables, "VIRTUAL_ENV": place, "PATH": path}
    spec.mkdir(parents=True, exist_ok=True)
    _put(spec / "kernel.json", json.dumps(known, indent=1) + "\n")
    for picture in locked.glob("logo-*"):
        if not (spec / picture.name).exists():
            shutil.copyfile(picture, spec / picture.name)


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step, unless it says that already."""
    if path.is_file() and not path.is_symlink() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _link(path: Path, target: str) -> None:
    """Make a symbolic link in one step, unless it leads there already."""
    if path.is_symlink() and path.readlink() == Path(target):
        return
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.symlink_to(target)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def main(folder: str, data: str) -> int:
    """Lay it; return the exit code, 1 with one line of why where it can't be."""
    try:
        lay(Path(folder), Path(data))
    except OSError as error:
        print(f"{folder}: {error.strerror or error}: {error.filename}", file=sys.stderr)  # noqa: T201 - for who started it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
