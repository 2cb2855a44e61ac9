"""The overlay over conda: PyPI packages that are added to the solved environment, resolved with its versions as given.

Asked for is all that the wheels environment has, so both environments offer the same; what conda brings is taken out of
the answer. No solver sees both worlds at once, so a clash between them can't block the environment (design: pixi pins
conda's packages before it looks at PyPI).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from rich.console import Console

from env.errors import LockFormatError, OverlayReplacesError
from env.formats.lock import Lock, LockedFile
from env.formats.markers import applies, unmarked
from env.formats.pixi_lock import CondaPackage
from env.formats.pypi_names import distributions
from env.index.uv import Preferences, compile_requirements
from env.platforms import PYTHON, Platform
from env.resolve.requirements import LAB, newest, pins
from env.resolve.wheels import resolve
from env.spec import Tree, overlay_digest, source_requirements
from env.store.fetch import fetch
from env.store.store import Store


@dataclass(frozen=True)
class Resolver:
    """What the overlays of all platforms are resolved with."""

    tree: Tree
    preferences: Preferences
    work: Path
    """An empty folder; a lab.txt in it is preferred to the committed one."""
    store: Store
    """Where wheels are read from, for what they require."""
    console: Console

    def lock(self, platform: Platform, packages: Iterable[CondaPackage], old: Lock | None) -> Lock:
        """Resolve the overlay over the conda packages of one platform.

        Raises:
            ToolFailedError: uv finds no solution with conda's versions.
            OverlayReplacesError: the solution would replace a package of conda's.
            EnvError: a wheel could not be fetched.

        """
        present = distributions(packages)
        requirements = source_requirements("conda-overlay", self.tree)
        constraints = self._prefer(requirements, platform, present, old)
        files = additions(resolve(requirements, platform, constraints, self.work), present, platform)
        lock = Lock("conda-overlay", platform, overlay_digest(present, self.tree), files)
        fetch([lock], self.store, console=self.console)
        return replace(lock, files=with_requires(files, requirements, platform, self.store))

    def _prefer(
        self, requirements: list[str], platform: Platform, present: Mapping[str, str], old: Lock | None
    ) -> Path:
        """Choose versions: conda's where it has one, else the locked ones, else those of lab.txt."""
        given = self.work / f"conda.{platform.slug}.txt"
        given.write_text("".join(f"{name}=={version}\n" for name, version in sorted(present.items())), encoding="utf-8")
        lab = newest(LAB.name, self.work, self.tree).read_text(encoding="utf-8")
        preferred = {name: version.partition(" ")[0] for name, version in pins(lab).items()}
        preferred |= {} if old is None else {file.name: file.version for file in old.files}
        output = self.work / f"overlay.{platform.slug}.txt"
        output.write_text(
            "".join(f"{name}=={version}\n" for name, version in sorted(preferred.items()) if name not in present),
            encoding="utf-8",
        )
        options = ["--python-version", PYTHON, "--python-platform", platform.uv, "--no-emit-index-url"]
        compile_requirements(requirements, output, [*options, "--constraints", str(given), *self.preferences.options])
        return output


def additions(solution: Iterable[LockedFile], present: Mapping[str, str], platform: Platform) -> tuple[LockedFile, ...]:
    """Return the files of a solution whose packages are not `present`.

    Raises:
        OverlayReplacesError: a present package is in it with another version (PEP 440).

    """
    added = []
    for file in solution:
        if file.name not in present:
            added.append(file)
        elif Version(present[file.name]) != Version(file.version):
            raise OverlayReplacesError(file.name, present[file.name], file.version, platform)
    return tuple(added)


def with_requires(
    files: tuple[LockedFile, ...], asked: Iterable[str], platform: Platform, store: Store
) -> tuple[LockedFile, ...]:
    """Return the files with what their wheels require on the platform, extras included that someone asks for.

    Raises:
        LockFormatError: a file is not a wheel.
        StoreMissError, StoreCorruptError: a file is not in the store as it should be.

    """
    metadata = {file.name: _requires_dist(store.verified(file.sha256, file.file), file.file) for file in files}
    extras: dict[str, frozenset[str]] = {name: frozenset() for name in metadata}
    found: dict[str, tuple[str, ...]] = {}
    pending = [Requirement(line) for line in asked]
    todo: set[str] = set(metadata)
    # What is required may ask for further extras of what was seen before, so until nothing is new.
    while todo or pending:
        for requirement in pending:
            name = canonicalize_name(requirement.name)
            wanted = extras.get(name, frozenset()) | requirement.extras
            if name in extras and wanted != extras[name]:
                extras[name] = wanted
                todo.add(name)
        pending = []
        for package in sorted(todo):
            needed = [line for line in metadata[package] if applies(line, extras[package], platform)]
            found[package] = tuple(sorted({unmarked(line) for line in needed}))
            pending += needed
        todo = set()
    return tuple(replace(file, requires=found[file.name]) for file in files)


def _requires_dist(wheel: Path, name: str) -> list[Requirement]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            path = next(path for path in archive.namelist() if path.endswith(".dist-info/METADATA"))
            message = BytesParser().parsebytes(archive.read(path))
    except (zipfile.BadZipFile, StopIteration):
        raise LockFormatError(name, "is not a wheel") from None
    return [Requirement(line) for line in message.get_all("Requires-Dist", [])]
