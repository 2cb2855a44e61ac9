"""Make a release twice, the second time under other circumstances, and tell what differs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from env.platforms import parse_platform
from env.spec import Tree
from env.store.store import Store
from env.store.upkeep import copy
from images.build.build import Build
from images.recipe.recipe import load_recipe
from release.bundle import Bundle, Say, Wanted, make_bundle, tree_digests
from release.checkout import Checkout
from release.errors import CheckBusyError, NotReproducibleError, SecondTimeError
from release.layouts import environment_of

WORK = Path("dist") / "release-check"
"""Where both are made; what differs is kept there."""
_LATER_S = 12_345_678
"""How much later the second copy's files say that they were changed."""


def check(checkout: Checkout, wanted: Wanted, work: Path, say: Say) -> Bundle:
    """Make a release twice below `work`, an absolute path, and compare every byte; return the first.

    Neither is left on the disk.

    The second is made in another folder, from a copy of the files with other times, with another umask, time zone,
    language, home and order of hashes, and from a store in which nothing has been built.

    Raises:
        NotReproducibleError: they differ; each difference has been told, and both are kept.
        CheckBusyError: another check uses the folder.
        ReleaseError, ImageError, EnvError: one could not be made.

    """
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work):
        return _check(checkout, wanted, work, say)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Keep a folder to oneself; its lock (flock(2)) ends with the process, however that ends."""
    # A file beside it: the folder itself is locked by whoever puts another into it.
    handle = os.open(lock_of(work), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckBusyError(work) from None
        yield
    finally:
        os.close(handle)


def lock_of(work: Path) -> Path:
    """Return the file that is locked while a release is made twice in a folder."""
    return work.with_name(f".{work.name}.lock")


def _check(checkout: Checkout, wanted: Wanted, work: Path, say: Say) -> Bundle:
    _empty(work)
    first, second = work / "first", work / "second"
    try:
        say("the first time")
        made = make_bundle(checkout, wanted, first, say)
        say("the second time, elsewhere and from nothing")
        _again(checkout, wanted, work, second)
        found = list(differences(first, second))
    except BaseException:
        _empty(work)
        raise
    for line in found:
        say(line)
    for name in ("a place of its own", "store", "home"):
        shutil.rmtree(work / name, ignore_errors=True)
    if found:
        raise NotReproducibleError(len(found), first, second)
    _empty(work)
    return made


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True)


def _again(checkout: Checkout, wanted: Wanted, work: Path, output: Path) -> None:
    place = work / "a place of its own" / "with a longer path"
    checkout.copy(place, checkout.epoch + _LATER_S)
    command = [sys.executable, "-m", "release", "--output", str(output)]
    command += ["--commit", checkout.commit or "none", "--time", str(checkout.epoch)]
    command += ["--draft"] if wanted.draft else []
    if not wanted.distributions:
        command += ["--only", "images"]
    if wanted.images:
        store = Store(work / "store")
        for name in wanted.images:
            _fill(name, Store(wanted.store), store)
        command += ["--image", ",".join(wanted.images), "--store", str(store.root)]
    else:
        command += ["--only", "distributions"]
    (work / "home").mkdir()
    settings = {"HOME": str(work / "home"), "TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        command, cwd=place, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, umask=0o077, check=False
    )
    if done.returncode:
        raise SecondTimeError(done.returncode)


def _fill(name: str, store: Store, target: Store) -> None:
    """Bring what an image is made from into another store, and nothing that was made."""
    tree, recipe = Tree(), load_recipe(name)
    platforms = tuple(map(parse_platform, recipe.image.platforms))
    build = Build(recipe, platforms, environment_of(name), "zstd", tree)
    copy(store, build.needed(), target, lambda _size: None)


def differences(first: Path, second: Path) -> Iterator[str]:
    """Yield a line for each file that two releases do not both have, or not with the same content."""
    ours, theirs = tree_digests(first), tree_digests(second)
    for name in sorted({*ours, *theirs}):
        if name not in theirs or name not in ours:
            yield f"{name}: only {'the first' if name in ours else 'the second'} has it"
        elif ours[name] != theirs[name]:
            inside = list(_inside(first / name, second / name))
            yield f"{name}: {'; '.join(inside) or f'sha256 {ours[name][:16]}… and {theirs[name][:16]}…'}"


_Members = dict[str, tuple[object, ...]]


def _inside(one: Path, other: Path) -> Iterator[str]:
    """Yield what differs in two archives, member by member; nothing for files that are none."""
    read = _zip if one.suffix == ".whl" else _tar if one.name.endswith(".tar.gz") else None
    if read is None:
        return
    ours, theirs = read(one), read(other)
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs:
            yield f"{name} only in {'the first' if name in ours else 'the second'}"
        elif ours[name] != theirs[name]:
            aspects = ("content", "mode", "time", "owner")
            differ = [aspect for aspect, a, b in zip(aspects, ours[name], theirs[name], strict=False) if a != b]
            yield f"{name} differs in {' and '.join(differ)}"
    if list(ours) != list(theirs):
        yield "the order of the files differs"
    elif ours == theirs:
        yield "the same files, compressed differently"


def _zip(path: Path) -> _Members:
    with zipfile.ZipFile(path) as archive:
        return {one.filename: (one.CRC, one.external_attr >> 16, one.date_time) for one in archive.infolist()}


def _tar(path: Path) -> _Members:
    found: _Members = {}
    with tarfile.open(path) as archive:
        for one in archive:
            content = archive.extractfile(one)
            owner = (one.uid, one.gid, one.uname, one.gname)
            found[one.name] = (content.read() if content else one.linkname, one.mode, one.mtime, owner)
    return found
