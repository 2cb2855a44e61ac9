"""JupyterLab, collaboration and MCP over somebody's environment: what it lacks is added, and nothing is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

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
from env.intake.conda_urls import is_free_threaded
from env.intake.intake import Intake
from env.platforms import Platform
from env.spec import DISTRIBUTION, source_requirements

COMMAND = "./noxw -s lock -- wheels"
_ROUNDS = 50
"""How often a choice is made anew because of what it requires; real environments take two or three."""


def added(intake: Intake, platform: Platform, asked: Sequence[str] = (), what: str = "JupyterLab and MCP") -> Lock:
    """Return the wheels that go over an intake's packages, chosen for its Python from this project's own lock.

    They are `what` serves it, or what is `asked` for (PEP 508) of the same lock.

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
        raise AdditionsError(
            intake.path, platform, [f"it has {has}, and {wants} or later is needed"], intake.command, what
        )
    if is_free_threaded(base.files):
        reason = f"its Python {base.python} is a free-threaded one, over which no wheels are installed here"
        raise AdditionsError(intake.path, platform, [reason], intake.command, what)
    tree = intake.tree.project
    choice = _Choice(find_additions(tree), present, platform, base.python)
    faults = choice.settle([Requirement(line) for line in asked or source_requirements("with-jupyter", tree)])
    if faults:
        raise AdditionsError(intake.path, platform, faults, intake.command, what)
    files = tuple(choice.file(name) for name in sorted(choice.chosen))
    # Of conda packages, the Python is theirs; below wheels alone it is the images' own.
    python = base.python if base.source == "conda" else ""
    return Lock("pypi" if python else "overlay", platform, "", files, python, COMMAND)


@dataclass(frozen=True)
class _Need:
    """A requirement, and who has it."""

    by: str
    requirement: Requirement

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    def told(self) -> str:
        return f"{self.by} needs `{self.requirement.name}{self.requirement.specifier}`"


@dataclass
class _Choice:
    """Which versions are added: the newest of ours that fit what is there, and one another."""

    offered: Mapping[str, tuple[Addition, ...]]
    present: Mapping[str, str]
    """What is there already, version by name."""
    platform: Platform
    python: str
    chosen: dict[str, Addition] = field(default_factory=dict)
    _wanted: dict[str, set[str]] = field(default_factory=dict)
    """What was required so far of each package that is not there, by whatever version of another."""
    _banned: set[str] = field(default_factory=set)
    """Versions, as `str` has them, that ask for what can't be had here."""
    _known: dict[str, list[Addition]] = field(default_factory=dict)
    _order: dict[Tag, int] = field(init=False)

    def __post_init__(self) -> None:
        """Rank the tags of the Python."""
        major, minor = (int(part) for part in self.python.split(".")[:2])
        self._order = tag_order(self.platform, (major, minor))

    def settle(self, asked: list[Requirement]) -> list[str]:
        """Choose what answers, and all that it requires in turn; return why that can't be, [] if it can."""
        for _ in range(_ROUNDS):
            unmet = [need for need in self._walk(asked) if not self._met(need)]
            # What was learnt already, and still isn't met, never will be.
            if not [*filter(self._learns, unmet)]:
                break
        if not unmet:
            return []
        # Told is what keeps the newest from being added: the versions that are there.
        self._wanted, self._banned = {}, set()
        needs = self._walk(asked)
        return list(dict.fromkeys(fault for need in needs if (fault := self._fault(need)))) or [unmet[0].told()]

    def _learns(self, need: _Need) -> bool:
        """Note what is to be chosen otherwise because of a requirement that is not met; say whether that is news."""
        fitting = [one for one in self._running(need.name) if self._fits_present(one)]
        specifier = need.requirement.specifier
        if need.name in self.present or not any(_fits(specifier, one.version) for one in fitting):
            # Nothing that goes with what is there answers: then another version must ask.
            known, news = self._banned, need.by
        else:
            known, news = self._wanted.setdefault(need.name, set()), str(specifier)
        new = news not in known
        known.add(news)
        return new

    def _walk(self, asked: list[Requirement]) -> list[_Need]:
        """Choose anew from what is known to be required; return all that is required now."""
        self.chosen = {}
        needs = [_Need(DISTRIBUTION, one) for one in asked if applies(one, frozenset(), self.platform, self.python)]
        extras: dict[str, frozenset[str]] = {}
        for need in needs:
            name, before = need.name, extras.get(need.name)
            package = self.chosen.get(name) or self._pick(name)
            wanted = (before or frozenset()) | {canonicalize_name(extra) for extra in need.requirement.extras}
            # Of what is there already, only what an extra asks for besides may be lacking.
            if before == wanted or (name in self.present and not wanted) or package is None:
                continue
            extras[name] = wanted
            if name not in self.present:
                self.chosen[name] = package
            # Grown while it is walked through: what is required requires more.
            needs += self._required(package, wanted, only_extras=name in self.present)
        return needs

    def _required(self, package: Addition, extras: frozenset[str], *, only_extras: bool = False) -> Iterator[_Need]:
        for requirement in map(_parsed, package.requires):
            if only_extras and applies(requirement, frozenset(), self.platform, self.python):
                continue
            if applies(requirement, extras, self.platform, self.python):
                yield _Need(str(package), requirement)

    def _pick(self, name: str) -> Addition | None:
        """Return the newest version that answers what is required of it and fits what is there; None without any."""
        running = self._running(name)
        allowed = [one for one in running if str(one) not in self._banned] or running
        wanted = [SpecifierSet(text) for text in self._wanted.get(name, ())]
        fitting = [one for one in allowed if self._fits_present(one)]
        answers = [one for one in fitting if all(_fits(specifier, one.version) for specifier in wanted)]
        return next(iter(answers or fitting or allowed), None)

    def _running(self, name: str) -> list[Addition]:
        """Return the versions that there are for the Python, the newest first."""
        if name not in self._known:
            running = [one for one in self.offered.get(name, ()) if one.runs_with(self.python) and self._best(one)]
            self._known[name] = sorted(running, key=lambda one: Version(one.version), reverse=True)
        return self._known[name]

    def _fits_present(self, package: Addition) -> bool:
        needs = self._required(package, frozenset())
        return all(need.name not in self.present or self._met(need) for need in needs)

    def _version(self, name: str) -> str:
        return self.present.get(name) or (self.chosen[name].version if name in self.chosen else "")

    def _met(self, need: _Need) -> bool:
        has = self._version(need.name)
        return bool(has) and _fits(need.requirement.specifier, has)

    def _fault(self, need: _Need) -> str:
        if self._met(need):
            return ""
        if not self._version(need.name):
            return f"{need.told()}, which has no wheel for Python {self.python} on {self.platform}"
        where = "the environment has" if need.name in self.present else "of those that may be added only this fits:"
        return f"{need.told()}, and {where} {need.name} {self._version(need.name)}"

    def _best(self, package: Addition) -> str:
        found = best_wheel([{"name": wheel.file} for wheel in package.wheels], self._order)
        return str(found["name"]) if found else ""

    def file(self, name: str) -> LockedFile:
        """Return the best wheel of what was chosen."""
        package = self.chosen[name]
        best = self._best(package)
        wheel = next(one for one in package.wheels if one.file == best)
        return LockedFile(package.name, package.version, wheel.file, wheel.sha256, wheel.size)


_parsed = cache(Requirement)


def _fits(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        # A conda package's version need not be one of Python's.
        return True
