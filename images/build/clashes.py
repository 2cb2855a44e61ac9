"""Whether wheels bring different files to one path: in layers of their own, the upper one would win without a word.

A file where another wheel has a folder is such a clash, and so is a program or a file that takes the environment's
Python away.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from posixpath import normpath

from env.formats.lock import LockedFile
from env.store.store import Store
from images.build.layers import LayerPlan
from images.errors import PackageContentError, PathClashError
from images.recipe.recipe import Drop
from images.rootfs import wheels
from images.rootfs.parts import is_dropped

_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<path>.+)")
_ENTRY_POINTS = re.compile(r"[^/]+\.dist-info/entry_points\.txt")
_ENVIRONMENT = "the environment"
_PROGRAMS = ("python", "python3", *(f"python3.{minor}" for minor in range(9, 20)))
"""What an environment calls its Python."""


def require_apart(plans: Sequence[LayerPlan], store: Store, drops: Sequence[Drop] = ()) -> None:
    """Refuse wheels of a platform that bring different files to one path; the same file may come from several.

    What the rules drop does not count.

    Raises:
        PathClashError: two do.
        PackageContentError: one can't be read.

    """
    for platform in dict.fromkeys(plan.platform for plan in plans):
        here = [plan for plan in plans if plan.platform == platform and plan.kind == "wheels"]
        parts = [one for plan in here for one in plan.environments]
        for prefix in dict.fromkeys(one.prefix for one in parts):
            _require_apart([one for one in parts if one.prefix == prefix], prefix, store, drops)


def _require_apart(parts: Iterable[LayerPlan], prefix: str, store: Store, drops: Sequence[Drop]) -> None:
    reserved = ("pyvenv.cfg", *(f"bin/{name}" for name in _PROGRAMS))
    known: dict[str, tuple[int, int, str]] = {
        f"{prefix}/{name}".lstrip("/"): (-1, -1, _ENVIRONMENT) for name in reserved
    }
    for part, file in ((one, file) for one in parts for file in one.files):
        for path, *content in _files(part, file, store):
            before = known.setdefault(path, (content[0], content[1], file.name))
            if [*before[:2]] != content and not is_dropped(path, drops):
                raise PathClashError(path, before[2], file.name)
    for path, (_, _, name) in known.items():
        for above in _above(path):
            if above in known and not any(is_dropped(one, drops) for one in (path, above)):
                raise PathClashError(above, known[above][2], name)


def _files(part: LayerPlan, file: LockedFile, store: Store) -> Iterator[tuple[str, int, int]]:
    """Yield the path in the image, checksum and size of each file that a wheel brings there."""
    places = wheels.scheme(file.file.partition("-")[0], part.python, part.prefix)
    try:
        with zipfile.ZipFile(store.path(file.sha256)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            listed = [member.filename for member in members if _ENTRY_POINTS.fullmatch(member.filename)]
            texts = [archive.read(name).decode("utf-8", "replace") for name in listed]
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageContentError(file.file, f"is not a usable wheel ({error})") from None
    programs = {program for text in texts for program in _programs(text)}
    for program in sorted(programs & {*_PROGRAMS}):
        yield f"{places['scripts']}/{program}".lstrip("/"), 0, 0
    for member in members:
        # Of no wheel is bytecode kept.
        if "__pycache__/" not in member.filename:
            found = _DATA.fullmatch(member.filename)
            scheme, path = (found["scheme"], found["path"]) if found else ("purelib", member.filename)
            place = normpath(f"{places.get(scheme, places['data'])}/{path}").lstrip("/")
            yield place, member.CRC, member.file_size


def _programs(entry_points: str) -> Iterator[str]:
    """Yield the programs among a distribution's entry points (PyPA's entry points specification)."""
    section = ""
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section in ("console_scripts", "gui_scripts") and "=" in line:
            yield line.partition("=")[0].strip()


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
