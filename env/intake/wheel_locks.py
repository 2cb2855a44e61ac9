"""Locks of wheels alone: pylock.toml, uv.lock, and a requirements.txt whose every line has version and hashes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from env.errors import UnlockedError
from env.formats.lock import Lock
from env.index.uv import compile_requirements
from env.intake.base import python_of
from env.intake.commands import export_pylock, lock_recipe, uv_lock
from env.intake.intake import NOTHING_MORE, Intake
from env.intake.intake import Chosen as Wanted
from env.intake.pylock import (
    PYLOCK,
    Chosen,
    Pylock,
    here,
    parse_pylock,
    pylock_files,
    require_answers,
)
from env.intake.python_project import python_project
from env.intake.reading import text_of, told
from env.intake.requirements_txt import REQUIREMENTS, Asked, read_requirements, requirements_of
from env.intake.uv_locked import UV_LOCK, exported
from env.platforms import PYTHON, Platform
from env.spec import Tree


@dataclass(frozen=True)
class WheelIntake(Intake):
    """A lock of wheels, over the images' own Python."""

    wanted: Wanted = NOTHING_MORE
    environment = "wheels"

    @property
    def answers_requirements(self) -> bool:
        """Whether it is the lock of the requirements.txt beside it."""
        return self.path.name == PYLOCK and (self.tree.root / REQUIREMENTS).is_file()

    @property
    def command(self) -> str:
        """What its owner runs to make the lock again."""
        root = self.tree.root
        if self.path.name == UV_LOCK:
            return uv_lock(root)
        if self.answers_requirements or self.path.name == REQUIREMENTS:
            return lock_recipe(root)
        return export_pylock(root, self.path.name)

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return its wheels for a platform."""
        if self.answers_requirements:
            return {"environment": pylock_files(platform, self.tree)}
        python = python_of(platform, self.tree.project)
        files = self._chosen(platform).files
        if self.path.name in (PYLOCK, UV_LOCK):
            self._require_answers(platform, python)
        return {"environment": Lock("pylock", platform, "", files, python, self.command)}

    def _chosen(self, platform: Platform) -> Chosen:
        extras, groups = frozenset(self.wanted.extras), frozenset(self.wanted.groups)
        return self._pylock().chosen(platform, python_of(platform, self.tree.project), extras, groups)

    def _pylock(self) -> Pylock:
        found: Pylock = self.tree.once((self.path, "pylock", self.wanted), self._parsed)
        return found

    def _parsed(self) -> Pylock:
        if self.path.name == UV_LOCK:
            return exported(self.path, self.tree, self.wanted)
        if self.path.name == REQUIREMENTS:
            return hashed(self)
        return parse_pylock(self.path, text_of(self.path), self.command)

    def _require_answers(self, platform: Platform, python: str) -> None:
        project = python_project(self.tree)
        if project is not None and not project.dynamic:
            asked = here(map(Asked, project.requires(self.wanted.extras)), platform, python)
            require_answers(asked, self._chosen(platform).files, self.tree.root, platform, self._pylock(), project.name)

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def builds_project(self, platform: Platform) -> bool:
        """Say whether the lock has the project of the folder, or its requirements.txt asks for it."""
        if self.answers_requirements or self.path.name == REQUIREMENTS:
            return requirements_of(self.tree).own
        project = python_project(self.tree)
        return self._chosen(platform).own and (project is None or project.builds or self.path.name != UV_LOCK)

    def requires(self, platform: Platform) -> tuple[str, ...]:
        """Return what is asked for itself, with its extras."""
        python = python_of(platform, self.tree.project)
        if self.answers_requirements or self.path.name == REQUIREMENTS:
            return tuple(str(one.requirement) for one in here(read_requirements(self.tree), platform, python))
        project = python_project(self.tree)
        if project is None:
            return ()
        asked = here(map(Asked, project.requires(self.wanted.extras)), platform, python)
        own = [f"{project.name}[{','.join(self.wanted.extras)}]"] if self.wanted.extras else []
        return (*own, *(str(one.requirement) for one in asked))

    def described(self) -> Iterator[str]:
        """Yield, in words, what was found and is taken."""
        what = f", for {self.tree.root / REQUIREMENTS}" if self.answers_requirements else ""
        more = f", with {', '.join((*self.wanted.extras, *self.wanted.groups))}" if self.wanted else ""
        yield f"taking {self.path}{what}{more}"


def is_hashed(tree: Tree) -> bool:
    """Say whether a folder's requirements.txt names one version and its hashes in every line."""
    return all(one.hashes and _pin(one) for one in read_requirements(tree))


def _pin(asked: Asked) -> bool:
    specifiers = list(asked.requirement.specifier)
    return len(specifiers) == 1 and specifiers[0].operator in ("==", "===") and "*" not in specifiers[0].version


def hashed(intake: WheelIntake) -> Pylock:
    """Return a hashed requirements.txt as a pylock.toml: the index is asked which files have these hashes.

    Raises:
        UnlockedError: a line has no version or no hash.
        EnvError: as `compile_requirements`.

    """
    asked = read_requirements(intake.tree)
    for one in asked:
        if not one.hashes or not _pin(one):
            lacks = "no hash" if _pin(one) else "no single version"
            reason = f"`{one.requirement}` has {lacks}, so nothing says what to install: run `{intake.command}`"
            raise UnlockedError(intake.path, reason)
    with tempfile.TemporaryDirectory(prefix="hashed-") as work:
        output = Path(work) / PYLOCK
        options = ["--no-deps", "--universal", "--python-version", PYTHON, "--format", PYLOCK]
        compile_requirements([str(one.requirement) for one in asked], output, options)
        found = parse_pylock(intake.path, output.read_text(encoding="utf-8"), intake.command)
    listed = {one.name: one.hashes for one in asked}
    packages = [_listed(package, listed) for package in found.packages]
    return Pylock(intake.path, {**found.data, "packages": packages}, intake.command, intake.tree.root)


def _listed(package: Mapping[str, Any], listed: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """Return a package with those of its wheels whose hash its requirement lists."""
    hashes = listed.get(canonicalize_name(str(package.get("name"))), frozenset())
    wheels = [wheel for wheel in package.get("wheels", []) if wheel.get("hashes", {}).get("sha256") in hashes]
    return {**package, "wheels": wheels}
