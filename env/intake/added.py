"""JupyterLab, collaboration and MCP over somebody's environment: what it lacks is added, and nothing is replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from env.errors import AdditionsError
from env.formats.additions import FLOOR, Addition, find_additions
from env.formats.lock import Lock, LockedFile
from env.formats.markers import applies
from env.formats.wheel_tags import best_wheel, tag_order
from env.intake.intake import Intake
from env.platforms import Platform
from env.spec import DISTRIBUTION, source_requirements

COMMAND = "./noxw -s lock -- wheels"


def added(intake: Intake, platform: Platform) -> Lock:
    """Return the wheels that go over an intake's packages, chosen for its Python from this project's own lock.

    Raises:
        AdditionsError: a package of the intake is of a version that does not fit, or its Python is none of ours.
        LockMissingError, LockFormatError, StaleLockError: this project's lock can't be used.

    """
    locks = intake.locks(platform)
    base = locks["environment"]
    wheels = [file for lock in locks.values() if lock.source in ("pylock", "pypi") for file in lock.files]
    present = {**intake.provided(platform), **{file.name: file.version for file in wheels}}
    if not base.python or Version(base.python).release[:2] < FLOOR:
        has = f"Python {base.python}" if base.python else "no CPython"
        wants = ".".join(map(str, FLOOR))
        raise AdditionsError(intake.path, platform, [f"it has {has}, and {wants} or later is needed"], intake.command)
    tree = intake.tree.project
    choice = _Choice(find_additions(tree), present, platform, base.python)
    choice.close(map(Requirement, source_requirements("with-jupyter", tree)))
    if choice.faults:
        raise AdditionsError(intake.path, platform, choice.faults, intake.command)
    files = tuple(choice.files[name] for name in sorted(choice.files))
    # Of conda packages, the Python is theirs; below wheels alone it is the images' own.
    python = base.python if base.source == "conda" else ""
    return Lock("pypi" if python else "overlay", platform, "", files, python, COMMAND)


@dataclass
class _Choice:
    """What is added so far, and why something can't be."""

    offered: Mapping[str, tuple[Addition, ...]]
    present: Mapping[str, str]
    """What is there already, version by name."""
    platform: Platform
    python: str
    files: dict[str, LockedFile] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _seen: dict[str, frozenset[str]] = field(default_factory=dict)
    _order: dict[Tag, int] = field(init=False)

    def __post_init__(self) -> None:
        """Rank the tags of the Python."""
        major, minor = (int(part) for part in self.python.split(".")[:2])
        self._order = tag_order(self.platform, (major, minor))

    def close(self, asked: Iterable[Requirement]) -> None:
        """Choose what answers, and all that it requires in turn."""
        waiting = deque((DISTRIBUTION, one, frozenset[str]()) for one in asked)
        while waiting:
            by, requirement, extras = waiting.popleft()
            if applies(requirement, extras, self.platform, self.python):
                waiting += self._answered(by, requirement)

    def _answered(self, by: str, requirement: Requirement) -> Iterator[tuple[str, Requirement, frozenset[str]]]:
        """Choose a package for a requirement; yield what it requires, which was not looked at before."""
        name = canonicalize_name(requirement.name)
        package = self._offer(name)
        has = self.present.get(name) or (package.version if package else "")
        if not has:
            self._fault(f"{by} needs `{requirement}`, which has no wheel for Python {self.python} on {self.platform}")
            return
        if not _fits(requirement.specifier, has):
            wanted = f"`{requirement.name}{requirement.specifier}`"
            where = "the environment has" if name in self.present else "what is added with it is"
            self._fault(f"{by} needs {wanted}, and {where} {name} {has}")
            return
        before = self._seen.get(name)
        extras = (before or frozenset()) | {canonicalize_name(extra) for extra in requirement.extras}
        # Of what is there already, only what an extra asks for besides may be lacking.
        if before == extras or (name in self.present and not extras) or package is None:
            return
        self._seen[name] = extras
        if name not in self.present:
            self.files[name] = self._file(package)
        for line in package.requires:
            needed = Requirement(line)
            if name not in self.present or not applies(needed, frozenset(), self.platform, self.python):
                yield f"{name} {has}", needed, extras

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def _offer(self, name: str) -> Addition | None:
        """Return the newest version of a package that runs with the Python; None where there is none."""
        fitting = [one for one in self.offered.get(name, ()) if one.runs_with(self.python) and self._best(one)]
        return max(fitting, key=lambda one: Version(one.version), default=None)

    def _best(self, package: Addition) -> str:
        found = best_wheel([{"name": wheel.file} for wheel in package.wheels], self._order)
        return str(found["name"]) if found else ""

    def _file(self, package: Addition) -> LockedFile:
        best = self._best(package)
        wheel = next(one for one in package.wheels if one.file == best)
        return LockedFile(package.name, package.version, wheel.file, wheel.sha256, wheel.size)


def _fits(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        # A conda package's version need not be one of Python's.
        return True
