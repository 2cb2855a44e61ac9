"""What is taken of a project: one of its locks, in the terms that an image is built from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from env.errors import NotTakenError
from env.formats.lock import Lock
from env.intake.conda_depends import Unmet
from env.platforms import PLATFORMS, Platform
from env.spec import Tree


@dataclass(frozen=True)
class Chosen:
    """What of a lock is wanted besides what it installs by itself."""

    extras: tuple[str, ...] = ()
    """Extras of the project ([project.optional-dependencies])."""
    groups: tuple[str, ...] = ()
    """Dependency groups of the project (PEP 735)."""

    def __bool__(self) -> bool:
        return bool(self.extras or self.groups)


NOTHING_MORE = Chosen()


@dataclass(frozen=True)
class Intake(ABC):
    """A lock of somebody's project."""

    path: Path
    """The file."""
    tree: Tree
    """Its folder; the tree's project is this checkout."""

    environment: ClassVar[Literal["conda", "wheels"]]
    """Which of this project's bases its packages go over."""

    @property
    @abstractmethod
    def command(self) -> str:
        """What its owner runs to make the lock again."""

    @property
    def part(self) -> str:
        """Which of several environments in the file it is; "" where a file has but one."""
        return ""

    @abstractmethod
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return the locks for a platform: ``environment``, and ``pypi`` for wheels over conda packages.

        Raises:
            EnvError: by cause; nothing of it is built then.

        """

    def locks(self, platform: Platform) -> dict[str, Lock]:
        """Return what `read` does, read once."""
        key = (self.path, self.part, "locks", platform)
        locks: dict[str, Lock] = self.tree.once(key, lambda: self.read(platform))
        return locks

    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms of ours that the lock is for: all of them where it does not say.

        Raises:
            NotTakenError: it is for none.

        """
        return PLATFORMS

    def folders(self, platform: Platform) -> tuple[Path, ...]:  # noqa: ARG002 - others look at it
        """Return the folders of projects that go in, each as a wheel that is built from it; its own comes last."""
        return ()

    def builds_project(self, platform: Platform) -> bool:
        """Say whether the project of the folder goes in, as a wheel that is built from it."""
        return self.tree.root.resolve() in self.folders(platform)

    def variables(self, platform: Platform) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Return what activating the environment sets besides what packages do."""
        return {}

    def scripts(self, platform: Platform) -> tuple[Path, ...]:  # noqa: ARG002 - as above
        """Return the scripts of the project's own that activation runs."""
        return ()

    def requires(self, platform: Platform) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """Return what is asked for itself (PEP 508), with the extras that it has."""
        return ()

    def provided(self, platform: Platform) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Return the Python distributions that are no wheels here, version by name."""
        return {}

    def lacking(self, platform: Platform) -> Iterable[Unmet]:  # noqa: ARG002 - as above
        """Yield what its conda packages depend on and the lock has not, as far as it says."""
        return ()

    def described(self) -> Iterator[str]:
        """Yield, in words, what was found and is taken."""
        yield f"taking {self.path}"


def no_platform(path: Path, has: str, advice: str) -> NotTakenError:
    """Return the error of a lock that is for no platform of ours."""
    return NotTakenError(path, f"is for {has or 'no platform'} and not for linux-64 or linux-aarch64: {advice}")
