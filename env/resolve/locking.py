"""Make the locks: all of a set is resolved first and then written, so that a failure changes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from env.errors import LockMissingError
from env.files import write_atomically
from env.formats.additions import ADDITIONS, Addition, parse_additions
from env.formats.conda_lock import CONDA_LOCK, conda_lock_text
from env.formats.environments import CUDA_PLATFORMS
from env.formats.lock import Lock, find_lock, lock_name, write_lock
from env.formats.manifest import DEFAULT, read_manifest
from env.formats.pixi_lock import PIXI_LOCK, CondaPackage, find_pixi_lock, read_pixi_lock
from env.index.uv import Preferences
from env.names import TARGETS
from env.platforms import PLATFORMS, Platform
from env.resolve.additions import lock_additions
from env.resolve.conda import Request, solve
from env.resolve.conda_overlay import Resolver
from env.resolve.debian import lock_debian
from env.resolve.requirements import CONDA_LOCK_TOOL, DOCS, LAB, NOXW, TOOLS, compile_file, newest, pins
from env.resolve.wheels import lock_cuda, lock_wheels
from env.spec import DEBIAN, Source, Tree
from env.store.store import Store


@dataclass
class _Made:
    """What has been resolved and is not yet written."""

    tree: Tree
    locks: list[Lock] = field(default_factory=list)
    files: list[tuple[Path, Path]] = field(default_factory=list)
    """Each a file in the work folder and its place in the tree."""
    versions: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = field(default_factory=list)
    """For the printed diff: a title, the versions before, and the versions now."""

    def add_lock(self, lock: Lock) -> None:
        self.locks.append(lock)
        self.versions.append((lock.file_name, _versions(self.old(lock.source, lock.platform)), _versions(lock)))

    def add_requirements(self, made: Path) -> None:
        place = self.tree.locks / made.name
        before = pins(self.tree.content(place).decode()) if place.is_file() else {}
        self.files.append((made, place))
        self.versions.append((made.name, before, pins(made.read_text(encoding="utf-8"))))

    def old(self, source: Source, platform: Platform) -> Lock | None:
        """Return the lock that is there before, if one is."""
        name = lock_name(source, platform)
        return find_lock(self.tree, name) if (self.tree.locks / name).is_file() else None


def make_locks(
    tree: Tree, targets: Sequence[str], preferences: Preferences, console: Console, records: Path | None = None
) -> None:
    """Resolve the named sets (`TARGETS`) of a tree, print what changed, and write them.

    `records` is a folder of conda records to solve against in the channel's stead.
    """
    makers: Mapping[str, Callable[[_Made, Path], None]] = {
        "base": lambda made, _: _base(made, preferences, console),
        "wheels": lambda made, work: _wheels(made, work, preferences, console),
        "tools": lambda made, work: _tools(made, work, preferences, console),
        "conda": lambda made, work: _conda(made, work, preferences, console, records),
        "cuda": lambda made, work: _cuda(made, work, console),
    }
    made = _Made(tree)
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        for target in sorted(targets, key=TARGETS.index):
            makers[target](made, Path(folder))
        for title, before, after in made.versions:
            _print_changes(title, before, after, console)
        for path, place in made.files:
            write_atomically(place, path.read_bytes())
        for lock in made.locks:
            write_lock(lock, tree.locks)


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return one line a package that differs: ``+ name version``, ``- name version`` or ``~ name old -> new``."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None:
            lines.append(f"+ {name} {after}")
        elif after is None:
            lines.append(f"- {name} {before}")
        elif before != after:
            lines.append(f"~ {name} {before} -> {after}")
    return lines


def _base(made: _Made, preferences: Preferences, console: Console) -> None:
    for platform in PLATFORMS:
        console.print(f"resolving Debian packages for {platform}")
        for source in DEBIAN:
            made.add_lock(lock_debian(source, platform, made.old(source, platform), preferences, made.tree))


def _wheels(made: _Made, work: Path, preferences: Preferences, console: Console) -> None:
    console.print("resolving lab.txt for every Python and system")
    lab = compile_file(LAB, work, preferences, made.tree)
    made.add_requirements(lab)
    for platform in PLATFORMS:
        console.print(f"resolving wheels for {platform}")
        for lock in lock_wheels(platform, lab, work, made.tree):
            made.add_lock(lock)
    console.print("resolving what --with jupyter adds, for every Python")
    _additions(made, lab, work, console)


def _additions(made: _Made, lab: Path, work: Path, console: Console) -> None:
    place = made.tree.locks / ADDITIONS
    text = lock_additions(lab, work, made.tree, Store(), console)
    output = work / ADDITIONS
    output.write_text(text, encoding="utf-8")
    before = parse_additions(place, place.read_bytes())[1] if place.is_file() else ()
    now = parse_additions(place, text.encode())[1]
    made.files.append((output, place))
    made.versions.append((ADDITIONS, _several(before), _several(now)))


def _tools(made: _Made, work: Path, preferences: Preferences, console: Console) -> None:
    console.print("resolving tools.txt, docs.txt, noxw.txt and conda-lock.txt")
    if not newest(LAB.name, work, made.tree).is_file():
        raise LockMissingError(made.tree.locks / LAB.name)
    for file in (TOOLS, DOCS, NOXW, CONDA_LOCK_TOOL):
        made.add_requirements(compile_file(file, work, preferences, made.tree))


def _conda(made: _Made, work: Path, preferences: Preferences, console: Console, records: Path | None) -> None:
    tree = made.tree
    manifest = read_manifest(tree)
    source = ", ".join(manifest.channels) if records is None else f"the records in {records}"
    console.print(f"solving pixi.toml against {source}")
    place = tree.root / PIXI_LOCK
    folder = work / "conda"
    folder.mkdir()
    solved = solve(Request(manifest, place, preferences, records), folder)
    lock, before = read_pixi_lock(solved), find_pixi_lock(tree).packages if place.is_file() else {}
    for environment, platforms in lock.packages.items():
        for subdir, packages in platforms.items():
            old = before.get(environment, {}).get(subdir, ())
            made.versions.append((f"{PIXI_LOCK} {environment} {subdir}", _builds(old), _builds(packages)))
    text = folder / CONDA_LOCK
    text.write_text(conda_lock_text(lock, manifest), encoding="utf-8")
    resolver = Resolver(tree, preferences, folder, Store(), console)
    for platform in manifest.platforms:
        console.print(f"resolving the overlay over conda for {platform}")
        packages = lock.packages[DEFAULT][platform.conda]
        made.add_lock(resolver.lock(platform, packages, made.old("conda-overlay", platform)))
    made.files += [(solved, place), (text, tree.root / CONDA_LOCK)]


def _cuda(made: _Made, work: Path, console: Console) -> None:
    folder = work / "cuda"
    folder.mkdir()
    for platform in CUDA_PLATFORMS:
        console.print(f"resolving wheels with CUDA for {platform}")
        for lock in lock_cuda(platform, folder, made.tree):
            made.add_lock(lock)


def _builds(packages: Iterable[CondaPackage]) -> dict[str, str]:
    return {package.name: f"{package.version} {package.build}" for package in packages}


def _versions(lock: Lock | None) -> dict[str, str]:
    return {} if lock is None else {file.name: file.version for file in lock.files}


def _several(packages: Iterable[Addition]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in packages:
        found[one.name] = f"{found[one.name]} | {one.version}" if one.name in found else one.version
    return found


def _print_changes(name: str, old: Mapping[str, str], new: Mapping[str, str], console: Console) -> None:
    lines = changes(old, new)
    console.print(f"{name}: {len(new)} packages, {len(lines)} changed")
    for line in lines:
        console.print(f"  {line}", markup=False)
