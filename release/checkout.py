"""What a release is made of: the files of one commit, and when that was made."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from release.errors import NoCommitError, UncommittedError

DRAFT_EPOCH = 1_793_491_200
"""The time that files carry where no commit says one: that of the image recipes, 2026-11-01, in seconds since 1970."""
_SKIPPED = {".git", "__pycache__", "node_modules"}


@dataclass(frozen=True)
class Checkout:
    """The files of a commit, or with a draft those that are here."""

    root: Path
    files: tuple[str, ...]
    """Names below the root, sorted."""
    commit: str
    """Its hash; "" where there is none."""
    epoch: int
    """Seconds since 1970 that built files carry: SOURCE_DATE_EPOCH, or when the commit was made."""
    tags: tuple[str, ...] = ()
    """The tags of the commit."""

    def copy(self, place: Path, modified: int | None = None) -> None:
        """Copy the files to a folder, with modes that no umask changed; `modified` is their time, else the epoch."""
        when = self.epoch if modified is None else modified
        for name in self.files:
            source, target = self.root / name, place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
                continue
            target.write_bytes(source.read_bytes())
            target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
            os.utime(target, (when, when))


def read_checkout(root: Path, *, draft: bool) -> Checkout:
    """Look at what is to be released; with `draft`, files count that no commit has, and there may be no commit.

    Raises:
        NoCommitError: it is no git checkout.
        UncommittedError: files are not as they are in the commit.

    """
    commit = _commit(root)
    if commit is None:
        if not draft:
            raise NoCommitError(root)
        return Checkout(root, _all_files(root), "", _epoch(DRAFT_EPOCH))
    changed = _listed(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    if changed and not draft:
        raise UncommittedError([line[3:] for line in changed])
    others = _listed(root, "ls-files", "-z", "--others", "--exclude-standard") if draft else []
    names = {*_listed(root, "ls-files", "-z", "--cached"), *others}
    files = tuple(sorted(name for name in names if os.path.lexists(root / name)))
    epoch = _epoch(int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD").strip()))
    tags = tuple(_git(root, "tag", "--points-at", "HEAD").split())
    return Checkout(root, files, "" if changed else commit, epoch, tags)


def elsewhere(root: Path, commit: str, epoch: int) -> Checkout:
    """Return a folder that holds the files of a commit, and is no checkout itself."""
    return Checkout(root, _all_files(root), commit, epoch)


def _epoch(default: int) -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isdecimal() else default


def _commit(root: Path) -> str | None:
    """Return the commit of a checkout; None where this is none, or lies in somebody else's, or is without a commit."""
    try:
        top = _git(root, "rev-parse", "--show-toplevel").strip()
        return _git(root, "rev-parse", "HEAD").strip() if Path(top).resolve() == root.resolve() else None
    except (OSError, subprocess.CalledProcessError):
        return None


def _listed(root: Path, *arguments: str) -> list[str]:
    return [name for name in _git(root, *arguments).split("\0") if name]


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
    return os.fsdecode(done.stdout)


def _all_files(root: Path) -> tuple[str, ...]:
    names = (path.relative_to(root) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
    return tuple(sorted(name.as_posix() for name in names if not _SKIPPED & set(name.parts)))
