"""Locks of wheels alone: pylock.toml, uv.lock, and a requirements.txt whose every line has version and hashes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from env.errors import NotTakenError, SpecError, UnlockedError
from env.formats.lock import Lock, LockedFile
from env.formats.markers import applies
from env.index.uv import try_compile
from env.intake.base import glibc_minor, python_of
from env.intake.commands import compile_hashed, lock_recipe, pylock_again, uv_lock
from env.intake.intake import NOTHING_MORE, Intake
from env.intake.intake import Chosen as Wanted
from env.intake.pylock import (
    PYLOCK,
    Chosen,
    Pylock,
    here,
    is_for,
    other_python,
    parse_pylock,
    pylock_files,
    require_answers,
)
from env.intake.python_project import names_of, python_project
from env.intake.reading import text_of, told
from env.intake.requirements_txt import REQUIREMENTS, Asked, read_requirements, requirements_of
from env.intake.uv_locked import exported
from env.intake.uv_workspace import UV_LOCK
from env.platforms import PLATFORMS, PYTHON, Platform
from env.spec import Tree

_MAKER = re.compile(r"^created-by\s*=\s*[\"'](\w+)", re.MULTILINE)


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
    def is_requirements(self) -> bool:
        """Whether it is a file of requirements itself, with hashes."""
        return self.path.suffix == ".txt"

    @property
    def _maker(self) -> str:
        """The tool that a pylock.toml says it is from."""
        try:
            found = _MAKER.search(text_of(self.path))
        except SpecError:
            return ""
        return found[1].lower() if found else ""

    @property
    def _asked_in(self) -> str:
        """The file of requirements that it is or answers; "" where it is another kind of lock."""
        if self.is_requirements:
            return self.path.relative_to(self.tree.root).as_posix()
        return REQUIREMENTS if self.answers_requirements else ""

    @property
    def command(self) -> str:
        """What its owner runs to make the lock again."""
        root = self.tree.root
        if self.path.name == UV_LOCK:
            return uv_lock(self.path.parent)
        if self.answers_requirements or self.path.name == REQUIREMENTS:
            return lock_recipe(root)
        if self.is_requirements:
            source = self.path.with_suffix(".in")
            return compile_hashed(source if source.is_file() else self.path)
        return pylock_again(root, self.path.name, self._maker)

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return its wheels for a platform."""
        if self.answers_requirements:
            return {"environment": pylock_files(platform, self.tree)}
        python = python_of(platform, self.tree.project)
        files = self._chosen(platform).files
        if self.path.name in (PYLOCK, UV_LOCK):
            self._require_answers(platform, python)
        self._require_source(files, platform, python)
        return {"environment": Lock("pylock", platform, "", files, python, self.command)}

    def _chosen(self, platform: Platform) -> Chosen:
        extras, groups = frozenset(self.wanted.extras), frozenset(self.wanted.groups)
        project = self.tree.project
        python, glibc = python_of(platform, project), glibc_minor(platform, project)
        return self._pylock().chosen(platform, python, extras, groups, glibc=glibc)

    def _pylock(self) -> Pylock:
        found: Pylock = self.tree.once((self.path, "pylock", self.wanted), self._parsed)
        return found

    def _parsed(self) -> Pylock:
        if self.path.name == UV_LOCK:
            return exported(self.path, self.tree, self.wanted)
        if self.is_requirements:
            return hashed(self, self._asked_in)
        return parse_pylock(self.path, text_of(self.path), self.command)

    def _require_answers(self, platform: Platform, python: str) -> None:
        project = python_project(self.tree)
        if project is not None and not is_for(project.requires_python, python):
            raise NotTakenError(project.path, other_python(project.requires_python, python, self.command))
        if project is not None and not project.dynamic:
            asked = here(map(Asked, project.requires(self.wanted.extras)), platform, python)
            chosen = self._chosen(platform)
            built = {project.name, *names_of(chosen.folders, self.tree)}
            require_answers(asked, chosen.files, self.tree.root, platform, self._pylock(), built)

    def _require_source(self, files: Sequence[LockedFile], platform: Platform, python: str) -> None:
        """Refuse what was compiled of a requirements.in that asks for something else today."""
        name = "requirements.in" if self.path.name == PYLOCK else self.path.with_suffix(".in").name
        source = self.path.with_name(name)
        compiled = self.is_requirements or (self.path.name == PYLOCK and python_project(self.tree) is None)
        if not compiled or not source.is_file():
            return
        try:
            asked = requirements_of(self.tree, source.relative_to(self.tree.root).as_posix())
        except SpecError:
            # What its compiler reads and is not taken here says nothing about what came of it.
            return
        command = compile_hashed(source) if self.is_requirements else self.command
        lock = replace(self._pylock(), command=command)
        wanted = [Asked(one.requirement) for one in here(asked.asked, platform, python)]
        require_answers(wanted, files, self.tree.root, platform, lock, names_of(asked.folders, self.tree))

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def folders(self, platform: Platform) -> tuple[Path, ...]:
        """Return the folders of projects that the lock has, or that its requirements.txt asks for."""
        if self._asked_in:
            return requirements_of(self.tree, self._asked_in).folders
        return self._chosen(platform).folders

    def requires(self, platform: Platform) -> tuple[str, ...]:
        """Return what is asked for itself, with its extras."""
        python = python_of(platform, self.tree.project)
        if self._asked_in:
            lines = read_requirements(self.tree, self._asked_in)
            return tuple(str(one.requirement) for one in here(lines, platform, python))
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
        if self.is_requirements and (places := requirements_of(self.tree, self._asked_in).places):
            followed = "its hashes say which files, and uv's own indexes are asked (UV_INDEX)"
            yield f"not followed: {', '.join(places)}; {followed}"


def is_hashed(tree: Tree, name: str = REQUIREMENTS) -> bool:
    """Say whether a folder's requirements.txt names one version and its hashes in every line."""
    return all(one.hashes and _pin(one) for one in _somewhere(read_requirements(tree, name)))


def _somewhere(asked: Iterable[Asked]) -> tuple[Asked, ...]:
    """Return what is asked for on any of the platforms."""
    return tuple(one for one in asked if one.hashes or any(applies(one.requirement, frozenset(), p) for p in PLATFORMS))


def _pin(asked: Asked) -> bool:
    if asked.requirement.url is not None:
        return True
    specifiers = list(asked.requirement.specifier)
    return len(specifiers) == 1 and specifiers[0].operator in ("==", "===") and "*" not in specifiers[0].version


def hashed(intake: WheelIntake, name: str) -> Pylock:
    """Return a hashed requirements.txt as a pylock.toml: the index is asked which files have these hashes.

    Raises:
        UnlockedError: a line has no version or no hash.
        NotTakenError: the index has no wheel for a line, or none of these hashes.
        EnvError: as `try_compile`.

    """
    asked = _somewhere(read_requirements(intake.tree, name))
    for one in asked:
        if not one.hashes or not _pin(one):
            lacks = "no hash" if _pin(one) else "no single version"
            reason = f"`{one.requirement}` has {lacks}, so nothing says what to install: run `{intake.command}`"
            raise UnlockedError(intake.path, reason)
    with tempfile.TemporaryDirectory(prefix="hashed-") as work:
        output = Path(work) / PYLOCK
        options = ["--no-deps", "--universal", "--python-version", PYTHON, "--format", PYLOCK]
        lines = [str(one.requirement) for one in asked if one.requirement.url is None]
        if (explanation := try_compile(lines, output, options)) is not None:
            way_out = f"let it be made for Python {PYTHON} too, or set UV_INDEX where another index has them"
            raise NotTakenError(intake.path, f"the index has no wheel for some line ({explanation[:500]}): {way_out}")
        found = parse_pylock(intake.path, output.read_text(encoding="utf-8"), intake.command)
    listed: dict[str, frozenset[str]] = {}
    for one in asked:
        # A package may have a line a marker.
        listed[one.name] = listed.get(one.name, frozenset()) | one.hashes
    packages = [_listed(package, listed, intake.path) for package in found.packages] if lines else []
    packages += [_at_address(one, intake.path) for one in asked if one.requirement.url is not None]
    return Pylock(intake.path, {**found.data, "packages": packages}, intake.command, intake.tree.root)


def _listed(package: Mapping[str, Any], listed: Mapping[str, frozenset[str]], path: Path) -> dict[str, Any]:
    """Return a package with those of its wheels whose hash its requirement lists."""
    name = canonicalize_name(str(package.get("name")))
    offered = package.get("wheels", [])
    wheels = [wheel for wheel in offered if wheel.get("hashes", {}).get("sha256") in listed.get(name, frozenset())]
    if offered and not wheels:
        way_out = "make the file with the hashes of every file of a release, or set UV_INDEX where another index has it"
        raise NotTakenError(
            path, f"{name} {package.get('version')}: its hashes are those of no wheel that the index has: {way_out}"
        )
    return {**package, "wheels": wheels}


def _at_address(asked: Asked, path: Path) -> dict[str, Any]:
    """Return a wheel that a requirement has by its address as a package of a pylock.toml."""
    if len(asked.hashes) != 1:
        raise UnlockedError(
            path, f"{asked.name} is one file at an address and has {len(asked.hashes)} hashes: keep its"
        )
    (sha256,) = asked.hashes
    entry = {"name": asked.name, "archive": {"url": asked.requirement.url, "hashes": {"sha256": sha256}}}
    return entry if asked.requirement.marker is None else {**entry, "marker": str(asked.requirement.marker)}
