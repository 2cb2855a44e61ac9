"""What is to be built: a recipe, platforms and an environment, and the locks that this needs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from packaging.requirements import Requirement

from env.formats.environments import INTERPRETER, locks_of, of_the_host
from env.formats.freshness import require_fresh
from env.formats.lock import Lock, find_lock, lock_name
from env.intake.added import added
from env.intake.found import OURS, take
from env.intake.intake import Chosen, Intake
from env.intake.own_debian import own_debian
from env.platforms import PLATFORMS, PYTHON, Platform, parse_platform
from env.spec import Source, Tree, source_requirements
from images.build.kernels import KERNEL, require_apart
from images.errors import InterpreterError, PlatformNotOfferedError, UnknownEnvironmentError
from images.names import RECIPES
from images.oci.tarball import Compression
from images.recipe.recipe import Recipe
from images.rootfs.bytecode import host
from images.rootfs.interpreter import minor_of
from images.rootfs.wheels import PREFIX, prefix_of


@dataclass(frozen=True)
class Named:
    """An environment of a lock that goes into an image."""

    name: str
    """As the lock has it; "" is the lock's own."""
    intake: Intake
    prefix: str
    """Where it is in the image."""


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
        # A recipe beside what can't be built from is refused at once.
        _ = self.environments

    @property
    def intake(self) -> Intake | None:
        """The lock that the recipe's own folder brings; None where its packages are this project's.

        Raises:
            EnvError: there is something that says what to install and is no lock, or one of another kind.

        """
        return self.environments[0].intake if self.environments else None

    @cached_property
    def environments(self) -> tuple[Named, ...]:
        """The environments of that lock that go in, the first one first; () where the packages are this project's.

        Raises:
            EnvError: as `intake` does; or two have one name to Jupyter.

        """
        folder, image = self.recipe.path.parent, self.recipe.image
        ours = image.lock == OURS or (folder.resolve().parent == RECIPES and not image.lock)
        if "environment" not in self.recipe.installs or ours:
            return ()
        tree, kinds, names = self.tree.beside(folder), (self.environment,), self.recipe.environments
        require_apart(names, self.recipe.path)
        chosen = Chosen(image.extras, image.groups)
        found = [take(tree, kinds=kinds, file=image.lock, environment=name, chosen=chosen) for name in names]
        prefixes = [PREFIX, *map(prefix_of, names[1:])]
        return tuple(
            Named(name, intake, prefix)
            for name, intake, prefix in zip(names, found, prefixes, strict=True)
            if intake is not None
        )

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

        ``apt`` are Debian packages of its own.

        Raises:
            LockMissingError, LockFormatError: a lock is not there or not one.
            EnvError: a lock that the recipe brings does not answer what it asks for, or can't be used.

        """
        if platform not in self._locks:
            locks = locks_of(self.environment, platform, self.tree)
            if self.intake is not None:
                locks = {"debian": locks["debian"], **self.intake.locks(platform)}
                if "overlay" in self.recipe.installs and not self._asks_for_overlay:
                    locks["overlay"] = added(self.intake, platform)
            installs = self.recipe.installs | ({"pypi"} if "environment" in self.recipe.installs else set())
            locks = {name: lock for name, lock in locks.items() if name in installs}
            if (more := self._own_debian(platform)) is not None:
                locks["apt"] = more
            self._locks[platform] = locks
        return self._locks[platform]

    def _own_debian(self, platform: Platform) -> Lock | None:
        folder = self.recipe.path.parent
        if folder.resolve().parent == RECIPES or self.recipe.image.skip_debian:
            return None
        return own_debian(folder, self.environment, platform, self.tree.project)

    def others(self, platform: Platform) -> tuple[tuple[Named, dict[str, Lock]], ...]:
        """Return the environments besides the first, with their locks; the errors are those of `locks`.

        Where the image serves Jupyter, a Python that lacks ipykernel gets it, with what it lacks of what that requires.
        """
        if platform not in self._others:
            self._others[platform] = tuple((one, self._locks_of(one, platform)) for one in self.environments[1:])
        return self._others[platform]

    def _locks_of(self, one: Named, platform: Platform) -> dict[str, Lock]:
        locks = dict(one.intake.locks(platform))
        python = locks["environment"].python
        names = {file.name for lock in locks.values() for file in lock.files}
        if "overlay" in self.recipe.installs and python and KERNEL not in names:
            more = added(one.intake, platform, [KERNEL], "kernels")
            wheels = locks["pypi"].files if "pypi" in locks else ()
            locks["pypi"] = replace(more, files=(*wheels, *more.files))
        return locks

    def all_locks(self, platform: Platform) -> dict[str, list[Lock]]:
        """Return the locks of a platform by the prefix that they go to, `PREFIX` first."""
        return {
            PREFIX: [*self.locks(platform).values()],
            **{one.prefix: [*locks.values()] for one, locks in self.others(platform)},
        }

    @cached_property
    def _others(self) -> dict[Platform, tuple[tuple[Named, dict[str, Lock]], ...]]:
        return {}

    @cached_property
    def _locks(self) -> dict[Platform, dict[str, Lock]]:
        return {}

    def require_fresh(self) -> None:
        """Refuse locks that answer other specs than those in the tree.

        Raises:
            StaleLockError: a spec has changed since.

        """
        for lock in self.needed():
            if not lock.command:
                require_fresh(lock, self.tree)

    @cached_property
    def _asks_for_overlay(self) -> bool:
        """Whether the recipe's own requirements have all that the extension requires, so that nothing is added."""
        asked = set(self.intake.requires(self.platforms[0])) if self.intake is not None else set()
        return asked.issuperset(map(str, map(Requirement, source_requirements("overlay", self.tree))))

    def needed(self) -> list[Lock]:
        """Return every lock whose files the build reads, the host's interpreter included."""
        every = [some for platform in self.platforms for some in self.all_locks(platform).values()]
        locks = [lock for some in every for lock in some]
        locks += [lock for lock in self.carried() if lock not in locks]
        compilers = [self.interpreter, *self.own_interpreters.values()]
        return [*locks, *(lock for lock in compilers if lock not in locks)]

    def carried(self) -> list[Lock]:
        """Return the locks whose files the image has in a store of its own: of the bases, where it builds images."""
        if not self.recipe.installs_checkout:
            return []
        sources: tuple[Source, ...] = ("debian", "debian-conda")
        return [find_lock(self.tree, lock_name(source, platform)) for source in sources for platform in PLATFORMS]

    def everything(self) -> list[Lock]:
        """Return every lock whose files the build and its checks read on this host, so that they need no network."""
        return [*self.needed(), *of_the_host(self.platforms, self.tree)]

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

    @cached_property
    def own_interpreters(self) -> dict[str, Lock]:
        """The Pythons of a project's conda packages that compile for it, by version: what the host can run of them.

        Raises:
            InterpreterError: the project is not locked for the host's platform with that version.

        """
        if self.intake is None or self.intake.environment != "conda":
            return {}
        found: dict[str, Lock] = {}
        for platform in self.platforms:
            for one in self.environments:
                python = one.intake.locks(platform)["environment"].python
                if python and minor_of(python) != PYTHON and python not in found:
                    found[python] = self._of_host(python, one.intake)
        return found

    def _of_host(self, python: str, intake: Intake) -> Lock:
        here = host()
        if here in intake.platforms():
            lock = intake.locks(here)["environment"]
            if minor_of(lock.python) == minor_of(python):
                return lock
        raise InterpreterError(
            f"the lock has Python {python}, and not for {here.conda}, which this host runs: build on a host of the "
            f"other kind, or lock the environment for {here.conda} too"
        )
