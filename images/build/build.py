"""What is to be built: a recipe, platforms and an environment, and the locks that this needs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from packaging.requirements import Requirement

from env.formats.environments import INTERPRETER, brings_requirements, locks_of
from env.formats.freshness import require_fresh
from env.formats.lock import Lock, find_lock, lock_name
from env.formats.pixi_lock import PIXI_LOCK
from env.formats.pylock import REQUIREMENTS, read_requirements, target_of
from env.platforms import Platform, parse_platform
from env.spec import DISTRIBUTION, Tree, source_requirements
from images.errors import PlatformNotOfferedError, RecipeError, UnknownEnvironmentError
from images.oci.tarball import Compression
from images.recipe.recipe import Recipe
from images.rootfs.bytecode import host


@dataclass(frozen=True)
class Build:
    """What is to be built."""

    recipe: Recipe
    platforms: tuple[Platform, ...]
    environment: str
    compression: Compression = "zstd"
    tree: Tree = field(default_factory=Tree, compare=False)
    """The checkout that its locks are read from."""

    def __post_init__(self) -> None:
        """Refuse what the recipe does not offer."""
        image = self.recipe.image
        if self.environment not in image.environments:
            raise UnknownEnvironmentError(self.environment, image.environments)
        offered = [parse_platform(name) for name in image.platforms]
        for platform in self.platforms:
            if platform not in offered:
                why = image.not_for.get(platform.oci, "")
                raise PlatformNotOfferedError(platform, image.name, image.platforms, why)
        if self.environment == "conda" and self.own is not self.tree and "overlay" in self.recipe.installs:
            raise RecipeError(
                self.recipe.path,
                f"has a {PIXI_LOCK} of its own, over which the overlay is not resolved: leave out the part that "
                "installs it (jupyter-mcp), or the lock",
            )

    @cached_property
    def own(self) -> Tree:
        """Where what the environment is locked from is: beside the recipe's image.toml, else in this project."""
        folder = self.tree.beside(self.recipe.path.parent)
        brought = (folder.root / PIXI_LOCK).is_file() if self.environment == "conda" else self._brings_requirements
        return folder if brought else self.tree

    @property
    def _brings_requirements(self) -> bool:
        return self.environment == "wheels" and brings_requirements(self.tree.beside(self.recipe.path.parent))

    @property
    def epoch(self) -> int:
        """Seconds since 1970 that the image and its files carry (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
        return int(os.environ.get("SOURCE_DATE_EPOCH") or self.recipe.image.created.timestamp())

    @property
    def created(self) -> str:
        """The same in RFC 3339."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def locks(self, platform: Platform) -> dict[str, Lock]:
        """Return the locks of one platform that the recipe's parts install from, by the name they use.

        Raises:
            LockMissingError, LockFormatError: a lock is not there or not one.
            EnvError: a lock that the recipe brings does not answer what it asks for, or can't be used.

        """
        if platform not in self._locks:
            locks = locks_of(self.environment, platform, self.own)
            self._locks[platform] = {name: lock for name, lock in locks.items() if name in self.recipe.installs}
        return self._locks[platform]

    @cached_property
    def _locks(self) -> dict[Platform, dict[str, Lock]]:
        return {}

    def require_fresh(self) -> None:
        """Refuse locks that answer other specs than those in the tree.

        Raises:
            StaleLockError: a spec has changed since.
            RecipeError: a part installs what the recipe's own requirements do not ask for.

        """
        for lock in self.needed():
            require_fresh(lock, self.own)
        if self._brings_requirements and "overlay" in self.recipe.installs:
            path = self.own.root / REQUIREMENTS
            asked = {str(one.requirement) for one in read_requirements(self.own)}
            if not asked.issuperset(map(str, map(Requirement, source_requirements("overlay", self.tree)))):
                raise RecipeError(
                    path,
                    f"does not ask for {DISTRIBUTION}, which a part installs: add a line `{DISTRIBUTION}`, and run "
                    f"`./noxw -s lock -- {target_of(self.own.root)}`",
                )

    def needed(self) -> list[Lock]:
        """Give every lock whose files the build reads, the host's interpreter included."""
        locks = [lock for platform in self.platforms for lock in self.locks(platform).values()]
        compiler = self.interpreter
        return locks if compiler in locks else [*locks, compiler]

    @cached_property
    def interpreter(self) -> Lock:
        """The lock of the Python that compiles, for the host: Debian's, or what the build needs of it.

        Raises:
            InterpreterError: the host can run none of the locked ones.

        """
        lock = find_lock(self.tree, lock_name("debian", host()))
        if host() in self.platforms and self.environment in ("wheels", "cuda"):
            return lock
        return Lock(lock.source, lock.platform, lock.spec, tuple(f for f in lock.files if f.name in INTERPRETER))
