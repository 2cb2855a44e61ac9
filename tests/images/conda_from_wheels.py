"""conda packages made of wheels, as conda-forge's recipes make them: for a channel with a whole JupyterLab."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from configparser import ConfigParser

from packaging.utils import parse_wheel_filename

from env.formats.lock import LockedFile
from env.formats.pypi_names import EXCEPTIONS
from env.store.store import Store

from .conda_channel import PLACEHOLDER, Content, Package

SITE = "lib/python3.13/site-packages"
_CONDA_NAMES = {name: conda for conda, name in EXCEPTIONS.items() if name}
_SCRIPT = f"""#!{PLACEHOLDER}/bin/python
import sys
from {{module}} import {{first}}
sys.exit({{function}}())
"""


def conda_package(file: LockedFile, store: Store, subdir: str) -> Package:
    """Return a wheel as a conda package: noarch where it is pure Python, else of the platform."""
    tags = parse_wheel_filename(file.file)[3]
    noarch = all(tag.platform == "any" for tag in tags)
    with zipfile.ZipFile(store.path(file.sha256)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        files = dict(_files(archive, names, "site-packages" if noarch else SITE, "python-scripts" if noarch else "bin"))
        listed = next((name for name in names if name.endswith(".dist-info/entry_points.txt")), None)
        scripts = _scripts(archive.read(listed).decode()) if listed else {}
    if not noarch:
        files |= {f"bin/{name}": _script(target) for name, target in scripts.items()}
    return Package(
        _CONDA_NAMES.get(file.name, file.name),
        file.version,
        files,
        "noarch" if noarch else subdir,
        "pyh0" if noarch else "py313_0",
        ("python >=3.13,<3.14.0a0",),
        noarch="python" if noarch else None,
        entry_points=tuple(f"{name} = {target}" for name, target in scripts.items()) if noarch else (),
    )


def _files(archive: zipfile.ZipFile, names: list[str], site: str, scripts: str) -> Iterator[tuple[str, Content]]:
    for name in names:
        data = archive.read(name)
        mode = 0o755 if archive.getinfo(name).external_attr >> 16 & 0o100 else 0o644
        head, _, rest = name.partition("/")
        if not head.endswith(".data"):
            yield f"{site}/{name}", Content(data, mode)
            continue
        kind, _, rest = rest.partition("/")
        if kind == "scripts":
            shebang = f"#!{PLACEHOLDER}/bin/python".encode()
            python = data.startswith(b"#!python")
            text = data.replace(b"#!python", shebang, 1) if python else data
            yield f"{scripts}/{rest}", Content(text, 0o755, "text" if python else None)
        elif kind != "headers":
            yield rest if kind == "data" else f"{site}/{rest}", Content(data, mode)


def _scripts(text: str) -> Mapping[str, str]:
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["console_scripts"]) if parser.has_section("console_scripts") else {}


def _script(target: str) -> Content:
    module, _, function = target.partition(":")
    first = function.partition(".")[0]
    return Content(_SCRIPT.format(module=module, first=first, function=function).encode(), 0o755, "text")


def git(subdir: str) -> Package:
    """Return a stand-in for git, which is not on PyPI: it says its version, as the image's check asks of it."""
    script = Content(b"#!/bin/sh\necho git version 2.55.0\n", 0o755)
    return Package("git", "2.55.0", {"bin/git": script}, subdir, "pl5321_0")
