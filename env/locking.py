"""Make the locks: all of a set is resolved first and then written, so that a failure changes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from env.debian import lock_debian
from env.errors import LockMissingError
from env.lock import LOCKS, Lock, Source, lock_name, read_lock, write_atomically, write_lock
from env.platforms import PLATFORMS, Platform
from env.requirements import LAB, NOXW, TOOLS, compile_file, newest, pins
from env.spec import DEBIAN
from env.uv import Preferences
from env.wheels import lock_wheels

TARGETS = ("base", "wheels", "tools")


def make_locks(targets: Sequence[str], preferences: Preferences, console: Console) -> None:
    """Resolve the named sets (`TARGETS`), print what changed, and write them."""
    makers: Mapping[str, Callable[[Path, Preferences, Console], tuple[list[Lock], list[Path]]]] = {
        "base": _base,
        "wheels": _wheels,
        "tools": _tools,
    }
    locks: list[Lock] = []
    files: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        for target in targets:
            made_locks, made_files = makers[target](Path(folder), preferences, console)
            locks += made_locks
            files += made_files
        for lock in locks:
            _print_changes(lock.file_name, _versions(_old(lock.source, lock.platform)), _versions(lock), console)
        for path in files:
            _print_changes(path.name, pins(LOCKS / path.name), pins(path), console)
        for path in files:
            write_atomically(LOCKS / path.name, path.read_bytes())
        for lock in locks:
            write_lock(lock)


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Give one line a package that differs: ``+ name version``, ``- name version`` or ``~ name old -> new``."""
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


def _base(work: Path, preferences: Preferences, console: Console) -> tuple[list[Lock], list[Path]]:
    del work
    locks = []
    for platform in PLATFORMS:
        console.print(f"resolving Debian packages for {platform}")
        locks += [lock_debian(source, platform, _old(source, platform), preferences) for source in DEBIAN]
    return locks, []


def _wheels(work: Path, preferences: Preferences, console: Console) -> tuple[list[Lock], list[Path]]:
    console.print("resolving lab.txt for every Python and system")
    lab = compile_file(LAB, work, preferences)
    locks: list[Lock] = []
    for platform in PLATFORMS:
        console.print(f"resolving wheels for {platform}")
        locks += lock_wheels(platform, lab, work)
    return locks, [lab]


def _tools(work: Path, preferences: Preferences, console: Console) -> tuple[list[Lock], list[Path]]:
    console.print("resolving tools.txt and noxw.txt")
    if not newest(LAB.name, work).is_file():
        raise LockMissingError(LOCKS / LAB.name)
    return [], [compile_file(file, work, preferences) for file in (TOOLS, NOXW)]


def _old(source: Source, platform: Platform) -> Lock | None:
    path = LOCKS / lock_name(source, platform)
    return read_lock(path) if path.is_file() else None


def _versions(lock: Lock | None) -> dict[str, str]:
    return {} if lock is None else {file.name: file.version for file in lock.files}


def _print_changes(name: str, old: Mapping[str, str], new: Mapping[str, str], console: Console) -> None:
    lines = changes(old, new)
    console.print(f"{name}: {len(new)} packages, {len(lines)} changed")
    for line in lines:
        console.print(f"  {line}", markup=False)
