"""Whether wheels bring different files to one path: in layers of their own, the upper one would win without a word."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence

from env.formats.lock import LockedFile
from env.store.store import Store
from images.build.layers import LayerPlan
from images.errors import PackageContentError, PathClashError
from images.recipe.recipe import Drop
from images.rootfs import wheels
from images.rootfs.parts import is_dropped

_LIBRARY = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
_OTHER = re.compile(r"^[^/]+\.data/")


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
            _require_apart([one for one in parts if one.prefix == prefix], store, drops)


def _require_apart(parts: Iterable[LayerPlan], store: Store, drops: Sequence[Drop]) -> None:
    known: dict[str, tuple[int, int, str]] = {}
    for part, file in ((one, file) for one in parts for file in one.files):
        try:
            with zipfile.ZipFile(store.path(file.sha256)) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
        except (zipfile.BadZipFile, OSError) as error:
            raise PackageContentError(file.file, f"is not a usable wheel ({error})") from None
        for member in members:
            path = _OTHER.sub("data/", _LIBRARY.sub("site-packages/", member.filename))
            path = path if path != member.filename else f"site-packages/{path}"
            if "__pycache__/" in path:
                # Of no wheel is bytecode kept.
                continue
            content = (member.CRC, member.file_size)
            before = known.setdefault(path, (*content, file.name))
            if before[:2] != content and not is_dropped(_in_image(path, file, part), drops):
                raise PathClashError(path, before[2], file.name)


def _in_image(path: str, file: LockedFile, part: LayerPlan) -> str:
    """Return where the installer puts a file, without the leading slash."""
    places = wheels.scheme(file.file.partition("-")[0], part.python, part.prefix)
    kind, _, rest = path.removeprefix("data/").partition("/") if path.startswith("data/") else ("purelib", "", path)
    return f"{places.get(kind, places['data'])}/{rest.removeprefix('site-packages/')}".lstrip("/")
