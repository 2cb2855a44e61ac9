"""Lock the Debian packages of a project's own: what they need besides the base that is there."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from env.errors import LockFormatError, LockMissingError, PackageGoneError, SpecError, UnknownPackageError
from env.formats.lock import Lock, lock_name, read_lock, write_lock
from env.index.archives import VARIABLES, archive_root
from env.index.uv import Preferences
from env.intake.found import take
from env.intake.own_debian import IMAGE, Asked, asked_debian, base_of, own_digest
from env.intake.reading import line_of, toml_of
from env.platforms import Platform
from env.resolve.debian import Apt, parse_uris, require_apt
from env.resolve.locking import changes
from env.spec import OWN_DEBIAN, Tree, debian_spec

# Part of what a base leaves out, which real programs do need.
_REAL = ("git-man", "liberror-perl", "libgdbm", "libperl", "perl", "tar")


def lock_own_debian(tree: Tree, platforms: Sequence[Platform], preferences: Preferences, console: Console) -> bool:
    """Resolve the Debian packages that a folder asks for, print what changed, and write a lock a platform.

    Versions that are locked already stay unless `preferences` frees them. Returns whether it asks for any.

    Raises:
        UnknownPackageError: Debian has no package of a name.
        PackageGoneError: a version that is to be kept is no longer in the archive.
        EnvError: by cause; nothing is written then.

    """
    asked = asked_debian(tree.root)
    if asked is None:
        return False
    require_apt()
    kind = _kind(tree)
    console.print(f"resolving {asked.path} for {' and '.join(map(str, platforms))}", markup=False)
    bases = [base_of(kind, platform, tree.project) for platform in platforms]
    made = [_resolved(asked, base, _old(tree.root, base.platform), preferences, tree) for base in bases]
    for lock in made:
        old = _old(tree.root, lock.platform)
        before = {} if old is None else {file.name: file.version for file in old.files}
        now = {file.name: file.version for file in lock.files}
        lines = changes(before, now)
        console.print(f"{lock.file_name}: {len(now)} packages, {len(lines)} changed", markup=False)
        for line in lines:
            console.print(f"  {line}", markup=False)
    for lock in made:
        write_lock(lock, tree.root)
    return True


def _kind(tree: Tree) -> str:
    """Return the kind of environment that the folder's image has first."""
    recipe = tree.root / IMAGE
    if recipe.is_file():
        said = toml_of(recipe).get("environments")
        if isinstance(said, list) and said:
            return str(said[0])
    intake = take(tree)
    return "wheels" if intake is None else intake.environment


def _old(folder: Path, platform: Platform) -> Lock | None:
    try:
        return read_lock(folder / lock_name(OWN_DEBIAN, platform))
    except (LockMissingError, LockFormatError):
        # There is none yet, or one that can't be read: that is why it is made.
        return None


def _resolved(asked: Asked, base: Lock, old: Lock | None, preferences: Preferences, tree: Tree) -> Lock:
    project = tree.project
    spec = debian_spec("debian", project)
    below = {file.name: file.version for file in base.files}
    kept = {} if old is None else {file.name: file.version for file in old.files if not preferences.frees(file.name)}
    kept = {name: version for name, version in kept.items() if name not in below}
    roots = {archive: archive_root(archive) for archive in VARIABLES}
    with tempfile.TemporaryDirectory(prefix="apt-") as place:
        apt = Apt(Path(place), base.platform, spec.suite, roots, kept)
        apt.run("update", "--option", "APT::Update::Error-Mode=any")
        known = set(apt.run_cache("pkgnames").split())
        for name in asked.packages:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3)
                raise UnknownPackageError(line_of(asked.path, name), name, spec.suite, near)
        # What only maintainer scripts use is taken as there: none of them runs.
        never = [name for name in spec.omit if not name.startswith(_REAL)]
        apt.set_installed({**dict.fromkeys(never, ""), **below})
        wanted = [name for name in asked.packages if name not in below]
        listing = apt.run("install", "--yes", "--no-upgrade", "--print-uris", *wanted) if wanted else ""
    files = tuple(parse_uris(listing, roots))
    for file in files:
        if file.name in below:
            raise SpecError(
                asked.path,
                f"what it asks for needs {file.name} {file.version}, and the base has {below[file.name]}: take a newer "
                "release of this project, whose base has it, or leave out what needs it",
            )
        if kept.get(file.name, file.version) != file.version:
            raise PackageGoneError(file.name, kept[file.name], command=f"{asked.command} --upgrade {file.name}")
    return Lock(OWN_DEBIAN, base.platform, own_digest(asked, base, project), files)
